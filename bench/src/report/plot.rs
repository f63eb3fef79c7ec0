//! Lines over a logarithmic axis, as a picture like those of `svg`.

use super::svg::{WIDTH, begin, escaped};
use std::fmt::Write;

#[derive(Debug)]
pub struct Plot {
    pub title: String,
    /// What the horizontal axis counts.
    pub of_what: String,
    pub lines: Vec<Line>,
}

#[derive(Debug)]
pub struct Line {
    pub name: String,
    /// How many, and the figure.
    pub points: Vec<(f64, f64)>,
    pub is_ours: bool,
}

const HEIGHT: usize = 330;
/// The field of the lines; their names stand at its right.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 610.0;
const TOP: f64 = 52.0;
const BOTTOM: f64 = 270.0;

/// Lines across the field, and the least that two names are apart.
const STEPS: usize = 4;
const APART: f64 = 16.0;

impl Plot {
    pub fn to_svg(&self) -> String {
        let mut svg = begin(&self.title, HEIGHT);
        let (top, step) = self.scale();
        for index in 0..=STEPS {
            let value = step * index as f64;
            let y = height(value, top);
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/><text class=\"name\" x=\"{}\" y=\"{:.1}\">{value}</text>",
                LEFT - 8.0,
                y + 4.0
            );
        }
        for many in self.many() {
            let _ = writeln!(
                svg,
                "<text class=\"middle\" x=\"{:.1}\" y=\"{}\">{}</text>",
                self.place(many),
                BOTTOM + 20.0,
                short(many)
            );
        }
        let middle = (LEFT + RIGHT) / 2.0;
        let _ = writeln!(
            svg,
            "<text class=\"middle\" x=\"{middle}\" y=\"{}\">{}</text>",
            BOTTOM + 44.0,
            escaped(&self.of_what)
        );
        let mut names: Vec<_> =
            self.lines.iter().filter_map(|line| Some((height(line.points.last()?.1, top), line))).collect();
        names.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut least = 0.0;
        for (y, line) in names {
            let y = f64::max(y + 4.0, least);
            least = y + APART;
            svg += &self.line(line, (y, top));
        }
        svg + "</svg>\n"
    }

    /// A line, its points, and its name at this height.
    fn line(&self, line: &Line, (y, top): (f64, f64)) -> String {
        let places: Vec<_> =
            line.points.iter().map(|&(many, value)| (self.place(many), height(value, top))).collect();
        let path: Vec<_> = places.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        let ours = if line.is_ours { " ours" } else { "" };
        let mut svg = format!("<path class=\"line{ours}\" d=\"M{}\"/>", path.join("L"));
        for (x, y) in places {
            let _ = write!(svg, "<circle class=\"bar{ours}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>");
        }
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{y:.1}\">{}</text>", RIGHT + 10.0, escaped(&line.name));
        svg
    }

    /// The value at the top of the field, and that from one line across it to the next.
    fn scale(&self) -> (f64, f64) {
        let values = self.lines.iter().flat_map(|line| &line.points).map(|point| point.1);
        let most = values.fold(1.0, f64::max) * 1.1;
        let step = [0.25, 0.5, 1.0, 2.0, 5.0].into_iter().find(|step| step * STEPS as f64 >= most);
        let step = step.unwrap_or_else(|| (most / STEPS as f64).ceil());
        (step * STEPS as f64, step)
    }

    /// What the axis shows, in order.
    fn many(&self) -> Vec<f64> {
        let mut many: Vec<_> = self.lines.iter().flat_map(|line| &line.points).map(|point| point.0).collect();
        many.sort_by(f64::total_cmp);
        many.dedup();
        many
    }

    /// Where a number stands on the axis.
    fn place(&self, many: f64) -> f64 {
        let all = self.many();
        let (Some(first), Some(last)) = (all.first(), all.last()) else { return LEFT };
        let part = (many / first).ln() / (last / first).ln().max(f64::MIN_POSITIVE);
        LEFT + 24.0 + part * (RIGHT - LEFT - 48.0)
    }
}

/// A number as it has room below an axis.
fn short(many: f64) -> String {
    if many < 1000.0 { many.to_string() } else { format!("{}k", many / 1000.0) }
}

/// Where a value stands, if the field's top is `top`.
fn height(value: f64, top: f64) -> f64 {
    BOTTOM - value / top * (BOTTOM - TOP)
}

const _: () = assert!(RIGHT < WIDTH as f64);

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, points: &[(f64, f64)]) -> Line {
        Line { name: name.into(), points: points.into(), is_ours: name == "ours" }
    }

    #[test]
    fn a_point_stands_where_its_logarithm_and_its_value_are() {
        let lines = vec![
            line("floor", &[(10.0, 1.0), (1000.0, 1.0)]),
            line("ours", &[(10.0, 1.5), (100.0, 1.0), (1000.0, 0.5)]),
        ];
        let svg = Plot { title: "title".into(), of_what: "a < b".into(), lines }.to_svg();
        // The field's top is 2, and 100 stands in the middle between 10 and 1,000.
        for expected in [
            "class=\"line\" d=\"M80.0 161.0L586.0 161.0\"",
            "class=\"line ours\" d=\"M80.0 106.5L333.0 161.0L586.0 215.5\"",
            ">1k<",
            "a &lt; b",
        ] {
            assert!(svg.contains(expected), "{expected} in {svg}");
        }
        assert_eq!(svg.matches("<circle class=\"bar ours\"").count(), 3);
    }

    #[test]
    fn names_do_not_stand_on_each_other() {
        let lines = vec![line("a", &[(1.0, 1.0)]), line("ours", &[(1.0, 1.0)])];
        let svg = Plot { title: String::new(), of_what: String::new(), lines }.to_svg();
        assert!(svg.contains("y=\"165.0\">a<") && svg.contains("y=\"181.0\">ours<"), "{svg}");
    }

    #[test]
    fn no_line_is_a_picture_too() {
        assert!(
            Plot { title: String::new(), of_what: String::new(), lines: Vec::new() }
                .to_svg()
                .ends_with("</svg>\n")
        );
    }
}
