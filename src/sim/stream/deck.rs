//! The decks that the stream is dealt from.
//!
//! ```text
//!                 first deck (300)   every later deck (200)
//! of interest            13                  3    1.5 %, any of the kinds
//! look-alikes             6                  2
//! repeated                3                  2    1 %
//! broken                  2                  1    0.5 %
//! late                    6                  4    2 %, on top of the kind
//! ```

use fastrand::Rng;

use super::Label;
use super::planted::{ATTACKS, LOOK_ALIKES, XRAY_CHANGES};

/// The first cards of a deck are everyday ones, so that a repeat has something to repeat.
const OPENING: usize = 12;

/// What a card asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Everyday,
    Denied,
    SignIn,
    Service,
    Insight,
    Planted(Label),
    Repeat,
    Broken,
}

/// One event to make.
#[derive(Clone, Copy, Debug)]
pub(super) struct Card {
    pub(super) kind: Kind,
    pub(super) late: bool,
}

/// How many cards of each kind a deck holds; the rest are everyday ones.
struct Shares {
    size: usize,
    denied: usize,
    sign_ins: usize,
    services: usize,
    insights: usize,
    repeats: usize,
    broken: usize,
    late: usize,
}

const FIRST: Shares =
    Shares { size: 300, denied: 7, sign_ins: 6, services: 4, insights: 2, repeats: 3, broken: 2, late: 6 };
const LATER: Shares =
    Shares { size: 200, denied: 5, sign_ins: 4, services: 3, insights: 1, repeats: 2, broken: 1, late: 4 };
const LATER_OF_INTEREST: usize = 3;
const LATER_LOOK_ALIKES: usize = 2;

/// Cards in the order in which they are drawn, last first.
#[derive(Clone, Debug)]
pub(super) struct Deck {
    cards: Vec<Card>,
}

impl Deck {
    /// Makes the deck that holds one of everything.
    pub(super) fn first(rng: &mut Rng) -> Self {
        let planted = of_interest().chain(look_alikes()).collect();
        Self::shuffled(&FIRST, planted, rng)
    }

    fn later(rng: &mut Rng) -> Self {
        let mut planted = rng.choose_multiple(of_interest(), LATER_OF_INTEREST);
        planted.extend(rng.choose_multiple(look_alikes(), LATER_LOOK_ALIKES));
        Self::shuffled(&LATER, planted, rng)
    }

    /// Draws a card; an empty deck is replaced by a new one first.
    pub(super) fn draw(&mut self, rng: &mut Rng) -> Card {
        loop {
            match self.cards.pop() {
                Some(card) => return card,
                None => *self = Self::later(rng),
            }
        }
    }

    fn shuffled(shares: &Shares, planted: Vec<Label>, rng: &mut Rng) -> Self {
        let mut kinds: Vec<Kind> = planted.into_iter().map(Kind::Planted).collect();
        let counted = [
            (Kind::Denied, shares.denied),
            (Kind::SignIn, shares.sign_ins),
            (Kind::Service, shares.services),
            (Kind::Insight, shares.insights),
            (Kind::Repeat, shares.repeats),
            (Kind::Broken, shares.broken),
        ];
        for (kind, count) in counted {
            kinds.extend(std::iter::repeat_n(kind, count));
        }
        kinds.resize(shares.size, Kind::Everyday);
        rng.shuffle(&mut kinds);
        calm_opening(&mut kinds);
        let mut cards: Vec<Card> = kinds.into_iter().map(|kind| Card { kind, late: false }).collect();
        mark_late(&mut cards, shares.late, rng);
        cards.reverse();
        Self { cards }
    }
}

fn of_interest() -> impl Iterator<Item = Label> {
    XRAY_CHANGES.into_iter().map(Label::XrayChange).chain(ATTACKS.into_iter().map(Label::Attack))
}

fn look_alikes() -> impl Iterator<Item = Label> {
    LOOK_ALIKES.into_iter().map(Label::LookAlike)
}

/// Swaps what is not everyday out of the opening.
fn calm_opening(kinds: &mut [Kind]) {
    let mut spare = OPENING;
    for opening in 0..OPENING.min(kinds.len()) {
        if kinds[opening] == Kind::Everyday {
            continue;
        }
        while spare < kinds.len() && kinds[spare] != Kind::Everyday {
            spare += 1;
        }
        if spare < kinds.len() {
            kinds.swap(opening, spare);
        }
    }
}

/// Marks one event of interest late, and everyday ones for the rest.
fn mark_late(cards: &mut [Card], count: usize, rng: &mut Rng) {
    let matching = |cards: &[Card], wanted: fn(Kind) -> bool| -> Vec<usize> {
        (0..cards.len()).filter(|&index| wanted(cards[index].kind)).collect()
    };
    let of_interest = matching(cards, |kind| matches!(kind, Kind::Planted(label) if label.is_of_interest()));
    let everyday = matching(cards, |kind| kind == Kind::Everyday);
    let mut chosen = rng.choose_multiple(of_interest, 1);
    chosen.extend(rng.choose_multiple(everyday, count.saturating_sub(1)));
    for index in chosen {
        cards[index].late = true;
    }
}
