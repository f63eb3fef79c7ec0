//! What was counted beside what is recorded.

use crate::callgrind::Figures;
use crate::jobs::Job;
use crate::limits::Limits;
use std::cmp::Ordering;
use std::fmt::Write as _;

pub fn compared(counted: &[(Job, Figures)], limits: &Limits) -> String {
    let mut text = format!(
        "{:17} {:>13} {:>10} {:>8} {:>12} {:>9}\n",
        "job", "instructions", "recorded", "", "allocations", "recorded"
    );
    for (job, figures) in counted {
        let Figures { instructions, allocations } = figures;
        let _ = match limits.of(job) {
            None => {
                writeln!(text, "{:17} {instructions:13.1} {:19} {allocations:12.3}", job.name, "")
            }
            Some(record) => {
                let change = 100.0 * (instructions / record.instructions - 1.0);
                let notes = [record.instructions_are(figures), record.allocations_are(figures)];
                writeln!(
                    text,
                    "{:17} {instructions:13.1} {:10.1} {change:+7.1}% {allocations:12.3} {:9.3}{}",
                    job.name,
                    record.instructions,
                    record.allocations,
                    note(notes)
                )
            }
        };
    }
    text
}

fn note(notes: [Ordering; 2]) -> &'static str {
    if notes.contains(&Ordering::Greater) {
        "  more than recorded"
    } else if notes.contains(&Ordering::Less) {
        "  fewer: record it"
    } else {
        ""
    }
}
