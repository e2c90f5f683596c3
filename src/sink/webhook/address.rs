//! Which addresses a webhook may speak to.
//!
//! Whoever can write a URL, or an answer of a name server, could otherwise have requests sent into the network that
//! Trailwatch stands in, to the metadata service of its machine above all. So an address is looked at after the name was
//! looked up, for every connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::LazyLock;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Networks that are not the Internet's, and what they are. Metadata services are among the link-local, unique-local and
/// shared ones.
const NETWORKS: [(&str, &str); 19] = [
    ("0.0.0.0/8", "this machine's"),
    ("10.0.0.0/8", "a private"),
    ("100.64.0.0/10", "a shared"),
    ("127.0.0.0/8", "a loopback"),
    ("169.254.0.0/16", "a link-local"),
    ("172.16.0.0/12", "a private"),
    ("192.0.0.0/24", "a protocol's"),
    ("192.168.0.0/16", "a private"),
    ("198.18.0.0/15", "a benchmark's"),
    ("224.0.0.0/4", "a multicast"),
    ("240.0.0.0/4", "a reserved"),
    ("::/128", "this machine's"),
    ("::1/128", "a loopback"),
    ("64:ff9b:1::/48", "a private"),
    ("2001::/32", "a tunnel's"),
    ("fc00::/7", "a unique-local"),
    ("fe80::/10", "a link-local"),
    ("fec0::/10", "a site-local"),
    ("ff00::/8", "a multicast"),
];

static PARSED: LazyLock<Vec<(IpNet, &str)>> =
    LazyLock::new(|| NETWORKS.iter().filter_map(|(net, what)| Some((net.parse().ok()?, *what))).collect());

/// Why an address is not spoken to; `None` if it is.
pub(super) fn refusal(address: IpAddr) -> Option<String> {
    let seen = within(address);
    let (_, what) = PARSED.iter().find(|(net, _)| net.contains(&seen))?;
    Some(format!("`{address}`, {what} address (set `allow_private` if that is meant)"))
}

/// The IPv4 address that stands in an IPv6 address, by any of the ways to put it there: mapped, compatible, translated
/// (NAT64), 6to4.
fn within(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let low = |v6: Ipv6Addr| IpAddr::V4(Ipv4Addr::from_bits(v6.to_bits() as u32));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => low(v6),
        [0x2002, high, low, ..] => IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))),
        _ => address,
    }
}

/// Looks names up, and gives only the addresses that may be spoken to.
pub(super) struct Guard {
    /// Hosts that may be anywhere.
    pub proxies: Vec<String>,
}

/// Names that lead nowhere but into a network of our own.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` is {problem}")]
struct Inside {
    name: String,
    problem: String,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let is_proxy = self.proxies.iter().any(|proxy| proxy.eq_ignore_ascii_case(name.as_str()));
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if is_proxy {
                return Ok(Box::new(found.into_iter()) as Addrs);
            }
            Ok(outside(name.as_str(), found)?)
        })
    }
}

fn outside(name: &str, found: Vec<SocketAddr>) -> Result<Addrs, Inside> {
    let (good, bad): (Vec<_>, Vec<_>) = found.into_iter().partition(|address| refusal(address.ip()).is_none());
    match bad.first().and_then(|address| refusal(address.ip())) {
        Some(problem) if good.is_empty() => Err(Inside { name: name.to_owned(), problem }),
        _ => Ok(Box::new(good.into_iter())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str) -> bool {
        refusal(address.parse().unwrap()).is_some()
    }

    #[test]
    fn every_network_of_the_table_is_read() {
        assert_eq!(PARSED.len(), NETWORKS.len());
    }

    #[test]
    fn networks_of_our_own_are_refused() {
        for (what, address) in [
            ("loopback", "127.0.0.1"),
            ("all of loopback", "127.255.0.3"),
            ("unspecified", "0.0.0.0"),
            ("private, ten", "10.1.2.3"),
            ("private, the end of twelve", "172.31.255.255"),
            ("private, sixteen", "192.168.0.1"),
            ("metadata of most clouds", "169.254.169.254"),
            ("metadata of ECS", "169.254.170.2"),
            ("metadata of Alibaba", "100.100.100.200"),
            ("metadata of Oracle", "192.0.0.192"),
            ("broadcast", "255.255.255.255"),
            ("multicast", "239.0.0.1"),
            ("loopback v6", "::1"),
            ("unspecified v6", "::"),
            ("link-local v6", "fe80::1"),
            ("metadata v6", "fd00:ec2::254"),
            ("unique-local", "fc00::1"),
            ("multicast v6", "ff02::1"),
            ("mapped loopback", "::ffff:127.0.0.1"),
            ("mapped metadata", "::ffff:169.254.169.254"),
            ("compatible", "::10.0.0.1"),
            ("translated, old", "::ffff:0:10.0.0.1"),
            ("NAT64", "64:ff9b::10.0.0.1"),
            ("NAT64 of one's own", "64:ff9b:1::1"),
            ("6to4", "2002:0a00:0001::1"),
            ("Teredo", "2001:0:1::1"),
        ] {
            assert!(refused(address), "{what}: {address}");
        }
    }

    #[test]
    fn the_internet_is_not() {
        for address in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "169.253.0.1",
            "2606:4700:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:0808:0808::1",
        ] {
            assert!(!refused(address), "{address}");
        }
    }

    #[test]
    fn of_several_addresses_those_outside_are_taken() {
        let address = |text: &str| SocketAddr::new(text.parse().unwrap(), 0);
        let taken = outside("both", vec![address("10.0.0.1"), address("1.1.1.1")]).unwrap();
        assert_eq!(taken.collect::<Vec<_>>(), [address("1.1.1.1")]);
        let problem = outside("hooks.internal", vec![address("10.0.0.1"), address("::1")]).err().unwrap().to_string();
        insta::assert_snapshot!(problem, @"`hooks.internal` is `10.0.0.1`, a private address (set `allow_private` if that is meant)");
    }
}
