use super::*;
use crate::measured::Sample;
use crate::report::section::SECTIONS;
use crate::rows;

fn series(server: &str, cpu: [f64; 3], busy: f64) -> Series {
    let sample = |cpu| Sample::from([("cpu".to_owned(), cpu), ("busy".to_owned(), busy)]);
    Series { server: server.into(), rounds: cpu.map(sample).into() }
}

fn measured(busy: f64) -> Measured {
    let servers = vec![
        series("floor", [1000.0, 2000.0, 1000.0], busy),
        series("sockeye", [1020.0, 2060.0, 1040.0], 1.0),
        series("yawc", [1220.0, 2500.0, 1200.0], 1.0),
        series("fast", [1000.0, 2000.0, 1005.0], 1.0),
    ];
    Measured { servers, ..Measured::default() }
}

fn with<T>(measured: &Measured, check: impl FnOnce(Compared<'_>) -> T) -> T {
    let rows = rows::all();
    check(Compared { row: &rows[0], measured, section: &SECTIONS[0] })
}

#[test]
fn figures_are_ratios_to_the_floor_of_the_same_round() {
    let text = with(&measured(1.0), |row| overview(&SECTIONS[0], &[row]));
    let expected =
        "| 20 B, 100 connections, 1 in flight | 1.00 | 1.03 | 1.22 | 1.00 | <= 1.05 | yes | fast |\n";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn details_say_who_is_ahead() {
    let text = with(&measured(1.0), |row| row.details());
    let line = text.lines().find(|line| line.starts_with("| yawc")).expect("a line of yawc");
    assert!(line.contains("| 1,220 ns |") && line.contains("| 1.22 (1.20-1.25) |"), "{line}");
    assert!(line.ends_with("| ahead |"), "{line}");
}

#[test]
fn a_target_that_is_missed_by_little_says_by_how_much() {
    let is_met = |ours: f64| {
        let servers = vec![series("floor", [1000.0; 3], 1.0), series("sockeye", [ours; 3], 1.0)];
        with(&Measured { servers, ..Measured::default() }, |row| row.target()[1].clone())
    };
    assert_eq!([1050.0, 1053.0, 1070.0].map(is_met), ["yes", "**no** (1.0530)", "**no**"]);
}

#[test]
fn a_target_of_several_figures_is_met_by_each() {
    let rows = rows::all();
    let row = rows.iter().find(|row| row.id == "memory").expect("a row of memory");
    let section = SECTIONS.iter().find(|section| section.of == row.section).expect("its section");
    let is_met = |after: f64| {
        let sample = ["new", "1k", "16k", "100k"]
            .map(|name| (name.to_owned(), if name == "16k" { after } else { 1000.0 }));
        let servers = vec![Series { server: "sockeye".into(), rounds: vec![Sample::from(sample)] }];
        Compared { row, measured: &Measured { servers, ..Measured::default() }, section }.target()[1].clone()
    };
    assert_eq!((is_met(1280.0), is_met(1281.0)), ("yes".into(), "**no**".into()));
}

#[test]
fn less_than_others_is_more_than_chance() {
    let rows = rows::all();
    let row = rows.iter().find(|row| row.id == "send-20-1").expect("a row with such a target");
    let is_met = |yawc| {
        let floor = series("floor", [1000.0, 2000.0, 1000.0], 1.0);
        let servers =
            vec![floor, series("sockeye", [1020.0, 2060.0, 1040.0], 1.0), series("yawc", yawc, 1.0)];
        Compared { row, measured: &Measured { servers, ..Measured::default() }, section: &SECTIONS[1] }
            .target()
    };
    assert_eq!(is_met([1220.0, 2500.0, 1200.0]), ["less than every peer", "yes"]);
    assert_eq!(is_met([1020.0, 2070.0, 1045.0])[1], "**no**");
}

#[test]
fn a_floor_that_is_not_busy_is_told() {
    assert_eq!(with(&measured(0.95), |row| row.warning()), "");
    let text = with(&measured(0.85), |row| row.summary());
    assert!(text.is_some_and(|text| text.contains("not lean enough: the floor is busy 85 %")));
}

#[test]
fn a_picture_has_a_bar_for_each_server() {
    let chart = with(&measured(1.0), |row| chart(&SECTIONS[0], &[row]));
    assert_eq!(chart.groups[0].bars.iter().filter(|bar| bar.is_ours).count(), 1);
    assert_eq!(chart.groups[0].bars.len(), 4);
}
