//! What the results mean for the exit code.

use super::report::Results;
use super::units::grouped;
use crate::exit::{Exit, Failure, Outcome};

/// Fails where answers were not right, where connections were lost, and where some did not open, in this order.
pub(super) fn of(results: &Results) -> Outcome {
    let (connections, messages) = (results.tally.connections, results.tally.messages);
    if results.is_interrupted {
        return Ok(Exit::Interrupted);
    }
    if messages.faults() > 0 {
        let kinds = [
            (messages.wrong, "wrong"),
            (messages.missing, "missing"),
            (messages.late, "out of order"),
            (messages.unasked, "unasked"),
        ];
        let told = kinds.iter().filter(|(number, _)| *number > 0);
        let told: Vec<_> = told.map(|(number, kind)| format!("{} {kind}", grouped(*number))).collect();
        let told = format_args!(
            "answers to {} messages: {}; bench is for servers that send every message back as it came, such as sockeye \
             echo",
            grouped(messages.sent),
            told.join(", "),
        );
        return Err(Failure::new(Exit::NoEcho, told));
    }
    if connections.lost > 0 {
        return Err(failure(Exit::Broken, connections.lost, "lost", results));
    }
    match results.tally.failure {
        Some(exit) => Err(failure(exit, connections.failed + connections.untried, "not opened", results)),
        None => Ok(Exit::Success),
    }
}

/// Which part of the connections came to this, and what was the matter with most of those that had errors.
fn failure(exit: Exit, number: u64, what: &str, results: &Results) -> Failure {
    let wanted = results.tally.connections.wanted();
    let (cause, _) = results.tally.errors.iter().max_by_key(|(_, count)| **count).unzip();
    let cause = cause.map_or("", String::as_str);
    if wanted == 1 {
        return Failure::new(exit, cause);
    }
    Failure::new(exit, format_args!("{} of {} connections {what}: {cause}", grouped(number), grouped(wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::tally::Tally;
    use std::time::Duration;

    fn told(change: impl FnOnce(&mut Results)) -> (Exit, String) {
        let mut results = Results { tally: Tally::new(), is_interrupted: false, measured: 1 };
        results.tally.opened(Duration::ZERO);
        results.tally.messages.sent = 1234;
        change(&mut results);
        match of(&results) {
            Ok(exit) => (exit, String::new()),
            Err(failure) => (failure.exit, failure.message),
        }
    }

    #[test]
    fn all_right_is_success() {
        assert_eq!(told(|_| {}), (Exit::Success, String::new()));
        assert_eq!(told(|results| results.tally.messages.greetings = 1).0, Exit::Success);
        assert_eq!(told(|results| results.tally.messages.unsent = 1).0, Exit::Success, "it is told");
    }

    #[test]
    fn wrong_answers_are_told_by_their_kinds() {
        let (exit, message) = told(|results| {
            results.tally.messages.wrong = 1;
            results.tally.messages.late = 1000;
            results.tally.lost("gone", 1);
        });
        assert_eq!(exit, Exit::NoEcho);
        assert!(
            message.starts_with("answers to 1,234 messages: 1 wrong, 1,000 out of order; bench is for"),
            "{message}"
        );
        for fault in [
            |results: &mut Results| results.tally.messages.missing = 1,
            |results: &mut Results| results.tally.messages.unasked = 1,
        ] {
            assert_eq!(told(fault).0, Exit::NoEcho);
        }
    }

    #[test]
    fn connections_that_fail_or_are_lost_are_told_with_their_number() {
        let fail = |results: &mut Results| {
            results.tally.failed(&Failure::new(Exit::Refused, "refused"), 2);
            results.tally.connections.untried = 1;
        };
        assert_eq!(told(fail), (Exit::Refused, "3 of 4 connections not opened: refused".into()));
        let lose = |results: &mut Results| results.tally.lost("gone", 3);
        assert_eq!(told(lose), (Exit::Broken, "gone".into()));
        assert_eq!(
            told(|results| {
                fail(results);
                lose(results)
            })
            .0,
            Exit::Broken
        );
    }

    #[test]
    fn whoever_interrupts_knows() {
        let (exit, _) = told(|results| {
            results.is_interrupted = true;
            results.tally.messages.missing = 1;
        });
        assert_eq!(exit, Exit::Interrupted);
    }
}
