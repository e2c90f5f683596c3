//! Figures for docs/performance.md: printed, and with `--renew` written into it, between comments that bear a name.

use std::path::PathBuf;

/// Prints figures, and puts them into the document if that is asked for.
pub fn tell(name: &str, figures: &str) {
    println!("{figures}");
    if !std::env::args().any(|argument| argument == "--renew") {
        return;
    }
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "docs", "performance.md"].iter().collect();
    // The crate in benches/peers has the same document.
    let path = if path.exists() { path } else { "../../docs/performance.md".into() };
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = text.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    std::fs::write(&path, format!("{before}{begin}{}\n{end}{after}", figures.trim_end())).unwrap();
}
