//! The part of the project's README that is made from `RESULTS.md`.

use std::fs;
use std::io;
use std::path::Path;

/// What stands before and behind that part.
const BEGIN: &str = "<!-- from bench/RESULTS.md, by its runner -->\n";
const END: &str = "<!-- end of what is from bench/RESULTS.md -->\n";

/// The section that README shows, and where pictures are, from there.
const SECTION: &str = "\n## Echo\n";
const PICTURES: (&str, &str) = ("](results/", "](bench/results/");

/// What README says where nothing was measured yet.
const NOTHING: &str = "Nothing was measured yet.\n";

/// What it says behind the section.
const MORE: &str = "\nMemory, fan-out, handshakes, compression, clients and what is aimed at: [every result](bench/RESULTS.md).\n";

/// Writes that part anew.
pub fn refresh(readme: &Path, results: &str) -> io::Result<()> {
    let text = fs::read_to_string(readme)?;
    let (before, _, behind) =
        parts(&text).ok_or_else(|| io::Error::other(format!("{} has no part for it", readme.display())))?;
    fs::write(readme, [before, BEGIN, &shown(Some(results)), END, behind].concat())
}

/// What stands before that part, in it, and behind it.
fn parts(readme: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = readme.split_once(BEGIN)?;
    let (part, behind) = rest.split_once(END)?;
    Some((before, part, behind))
}

/// The section without its title, notes and details.
fn shown(results: Option<&str>) -> String {
    let section = results.and_then(|text| text.split_once(SECTION)).map(|(_, section)| section);
    let section = section.and_then(|section| section.split("\n<details>").next()?.split("\n**").next());
    section.map_or(NOTHING.into(), |section| section.trim_start().replace(PICTURES.0, PICTURES.1) + MORE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::Paths;

    #[test]
    fn the_readme_shows_the_committed_results() -> io::Result<()> {
        let paths = Paths::new();
        let readme = fs::read_to_string(paths.project.join("README.md"))?;
        let (_, part, _) = parts(&readme).expect("the part of README that is from RESULTS.md");
        let results = fs::read_to_string(paths.bench.join("RESULTS.md")).ok();
        assert_eq!(part, shown(results.as_deref()), "`report` makes it anew");
        Ok(())
    }

    #[test]
    fn the_section_is_shown_with_the_way_to_its_picture() {
        let results = "# Results\n\n## Echo\n\nAbout.\n\n![Echo](results/echo.svg)\n\n| a |\n|---|\n\n**Row.** Note.\n\n<details>more</details>\n";
        let expected = "About.\n\n![Echo](bench/results/echo.svg)\n\n| a |\n|---|\n";
        assert_eq!(shown(Some(results)), expected.to_owned() + MORE);
        assert_eq!(shown(None), NOTHING);
        assert_eq!(parts(&format!("a\n{BEGIN}b\n{END}c\n")), Some(("a\n", "b\n", "c\n")));
        assert_eq!(parts("a"), None);
    }
}
