//! Bars, in groups, as a picture that can be read on light and on dark ground.

use std::fmt::Write;

#[derive(Debug)]
pub struct Chart {
    pub title: String,
    pub groups: Vec<Group>,
}

/// Bars that are compared with each other: each group has a scale of its own.
#[derive(Debug)]
pub struct Group {
    pub label: String,
    pub bars: Vec<Bar>,
}

#[derive(Debug)]
pub struct Bar {
    pub name: String,
    pub value: f64,
    pub text: String,
    pub is_ours: bool,
}

pub const WIDTH: usize = 760;
/// Where bars begin, and how long the longest is; behind it stands its value.
const LEFT: f64 = 150.0;
const LONGEST: f64 = 520.0;
/// From one bar to the next, and from one group to the next.
const BAR: usize = 20;
const GROUP: usize = 38;
const TOP: usize = 34;

/// What is more than so many times our bar is cut, so that the others can still be told apart; a gap says so.
const CUT: f64 = 6.0;

/// With a ground of their own: where the picture stands may be light or dark, whatever the reader prefers.
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#1f2328}.name{text-anchor:end}.middle{text-anchor:middle}\
                     .title,.label{font-weight:600}.ground{fill:#fff}.bar{fill:#8c959f}.bar.ours{fill:#0b6e8f}\
                     .gap{stroke:#fff;stroke-width:4}.grid{stroke:#d1d9e0}.line{fill:none;stroke:#8c959f;stroke-width:2}.line.ours{stroke:#0b6e8f}\
                     @media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117}.bar{fill:#6e7681}\
                     .bar.ours{fill:#39b6dd}.gap{stroke:#0d1117}.grid{stroke:#3d444d}.line{stroke:#6e7681}.line.ours{stroke:#39b6dd}}";

/// The beginning of a picture: its ground and its title.
pub fn begin(title: &str, height: usize) -> String {
    let title = escaped(title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-label=\"{title}\">\n<style>{STYLE}</style>\n\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>\n\
         <text class=\"title\" x=\"8\" y=\"22\">{title}</text>\n"
    )
}

impl Chart {
    pub fn to_svg(&self) -> String {
        let height = TOP + self.groups.iter().map(|group| GROUP + BAR * group.bars.len()).sum::<usize>();
        let mut svg = begin(&self.title, height);
        let mut y = TOP;
        for group in &self.groups {
            let _ = writeln!(
                svg,
                "<text class=\"label\" x=\"8\" y=\"{}\">{}</text>",
                y + 22,
                escaped(&group.label)
            );
            y += GROUP - 8;
            for bar in &group.bars {
                svg += &bar.to_svg(y, group.scale());
                y += BAR;
            }
            y += 8;
        }
        svg + "</svg>\n"
    }
}

impl Group {
    /// The value of the longest bar.
    fn scale(&self) -> f64 {
        let values = || self.bars.iter().map(|bar| bar.value).filter(|value| *value > 0.0);
        let least = values().min_by(f64::total_cmp).unwrap_or(1.0);
        let ours = self.bars.iter().find(|bar| bar.is_ours).map_or(least, |bar| bar.value.max(least));
        values().fold(least, f64::max).min(CUT * ours)
    }
}

impl Bar {
    fn to_svg(&self, y: usize, scale: f64) -> String {
        let part = (self.value / scale).clamp(0.0, 1.0);
        let (class, text) = (if self.is_ours { "bar ours" } else { "bar" }, escaped(&self.text));
        let (width, middle) = ((LONGEST * part).max(1.0), y + 14);
        let gap = LEFT + width - 24.0;
        let gap = if self.value > scale * 1.001 {
            format!("<path class=\"gap\" d=\"M{gap} {}l8 -20\"/>", y + 20)
        } else {
            String::new()
        };
        format!(
            "<text class=\"name\" x=\"{}\" y=\"{middle}\">{}</text><rect class=\"{class}\" x=\"{LEFT}\" y=\"{}\" \
             width=\"{width:.1}\" height=\"14\" rx=\"2\"/>{gap}<text x=\"{:.1}\" y=\"{middle}\">{text}</text>\n",
            LEFT - 8.0,
            escaped(&self.name),
            y + 3,
            LEFT + width + 6.0,
        )
    }
}

pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(name: &str, value: f64) -> Bar {
        Bar { name: name.into(), value, text: value.to_string(), is_ours: name == "a" }
    }

    #[test]
    fn bars_are_as_long_as_their_values_and_long_ones_are_cut() {
        let group = Group { label: "1 < 2".into(), bars: vec![bar("a", 1.0), bar("b", 3.0), bar("c", 60.0)] };
        let svg = Chart { title: "title".into(), groups: vec![group] }.to_svg();
        for expected in
            ["width=\"86.7\"", "width=\"260.0\"", "width=\"520.0\"", ">60<", "1 &lt; 2", "bar ours"]
        {
            assert!(svg.contains(expected), "{expected} in {svg}");
        }
        assert_eq!(svg.matches("<rect class=\"bar").count(), 3);
        assert_eq!(svg.matches("class=\"gap\"").count(), 1);
        assert!(svg.contains("height=\"132\""), "{svg}");
    }

    #[test]
    fn no_bar_is_a_picture_too() {
        let group = Group { label: "nothing".into(), bars: Vec::new() };
        assert!(Chart { title: String::new(), groups: vec![group] }.to_svg().ends_with("</svg>\n"));
    }
}
