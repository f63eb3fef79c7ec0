//! What holds when threads call at once.

use super::*;
use std::collections::HashMap;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

const THREADS: usize = 4;

pub(super) async fn all_followers_see_one_order(subject: Subject) {
    const EACH: usize = 300;
    let subjects = [subject.of("contract:one"), subject.of("contract:two")];
    let inboxes = [inbox(), inbox()];
    for subject in &subjects {
        for inbox in &inboxes {
            subject.subscribe(inbox).await;
        }
    }
    let both = subjects.clone();
    on_threads(move |thread| {
        let subjects = both.clone();
        async move {
            for n in 0..EACH {
                subjects[n % 2].publish(&format!("{thread} {n:03}"), ALL).await;
            }
        }
    })
    .await;
    let handed = [
        take_publications(&inboxes[0], THREADS * EACH).await,
        take_publications(&inboxes[1], THREADS * EACH).await,
    ];
    for subject in &subjects {
        let log = subject.read(Since::Start, usize::MAX).await.publications;
        assert_eq!(log.len(), THREADS * EACH / 2);
        assert_contiguous(&log);
        for handed in &handed {
            let handed = handed.iter().filter(|handed| handed.channel == subject.channel);
            let handed: Vec<_> = handed.map(|handed| (handed.offset, text(handed))).collect();
            let read: Vec<_> = log.iter().map(|read| (read.offset, text(read))).collect();
            assert_eq!(handed, read, "an inbox gets the order of the log");
        }
        for thread in 0..THREADS {
            let texts = log.iter().map(|publication| text(publication));
            let own: Vec<_> = texts.filter(|text| text.starts_with(&format!("{thread} "))).collect();
            assert!(own.is_sorted(), "the publications of one caller keep their order: {own:?}");
        }
    }
}

pub(super) async fn of_calls_with_one_key_one_appends(subject: Subject) {
    const KEYS: usize = 200;
    let inbox = inbox();
    let Top { epoch, offset: start } = subject.subscribe(&inbox).await;
    let publisher = subject.clone();
    let answers = on_threads(move |thread| {
        let subject = publisher.clone();
        async move {
            let mut answers = Vec::new();
            for n in 0..KEYS {
                let text = format!("{n} {thread}");
                answers.push((n, subject.publish_with_key(&text, ALL, Some(&n.to_string())).await, text));
            }
            answers
        }
    })
    .await;
    let log = subject.read(Since::After(epoch, start), usize::MAX).await.publications;
    assert_eq!(log.len(), KEYS, "each key appends once");
    let handed = take_publications(&inbox, KEYS).await;
    assert!(log.iter().zip(&handed).all(|(read, handed)| read.offset == handed.offset));
    let by_offset: HashMap<_, _> = log.iter().map(|read| (read.offset, text(read))).collect();
    let mut firsts = HashMap::new();
    for (n, published, text) in answers.into_iter().flatten() {
        let appended = &by_offset[&published.position.offset];
        assert_eq!(appended.split(' ').next(), Some(&*n.to_string()), "a key has its own position");
        assert_eq!(*appended == text, !published.is_duplicate, "who appended is told so, and nobody else");
        *firsts.entry(n).or_insert(0) += usize::from(!published.is_duplicate);
    }
    assert!(firsts.into_values().all(|count| count == 1), "one of the calls with a key appends");
}

pub(super) async fn between_subscribing_and_reading_is_no_hole(subject: Subject) {
    const EACH: usize = 500;
    let Top { epoch, offset: start } = subject.top().await;
    let caller = subject.clone();
    on_threads(move |thread| {
        let subject = caller.clone();
        async move {
            for n in 0..EACH {
                if thread == 0 {
                    attach(&subject, Since::After(epoch, start)).await;
                } else {
                    subject.publish(&format!("{thread} {n}"), ALL).await;
                }
            }
        }
    })
    .await;
    let log = subject.read(Since::After(epoch, start), usize::MAX).await;
    assert_eq!(log.publications.len(), (THREADS - 1) * EACH);
    assert_contiguous(&log.publications);
}

/// Subscribes first, reads then, and drops what comes twice: there must be no hole.
async fn attach(subject: &Subject, since: Since) {
    let inbox = inbox();
    let top = subject.subscribe(&inbox).await;
    let read = subject.read(since, usize::MAX).await;
    assert!(read.top.offset >= top.offset, "what was published before subscribing can be read");
    assert_contiguous(&read.publications);
    let last = read.publications.last().map_or(top.offset, |last| last.offset);
    assert_eq!(last, read.top.offset, "a log is read to its end");
    if last > top.offset {
        // What is read was handed over, or will be.
        let due = usize::try_from(last - top.offset).expect("few are published");
        let handed = take_at_least(&inbox, due).await;
        assert_eq!(
            handed.first().map(|first| first.offset),
            Some(top.offset + 1),
            "everything behind the top comes"
        );
        assert_contiguous(&handed);
    }
    subject.broker.unsubscribe(&subject.channel, &inbox);
}

async fn take_at_least(inbox: &Inbox, count: usize) -> Vec<Arc<Publication>> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let mut drained = Drained::default();
        let some = tokio::time::timeout(PATIENCE, poll_fn(|cx| inbox.poll_drain(&mut drained, cx))).await;
        assert!(some.is_ok(), "{count} publications are due, and no more than {} came", taken.len());
        let publications = drained.deliveries.into_iter().filter_map(|delivery| match delivery {
            Delivery::Publication(publication) => Some(publication),
            _ => None,
        });
        taken.extend(publications);
    }
    taken
}

fn assert_contiguous(publications: &[Arc<Publication>]) {
    for pair in publications.windows(2) {
        assert_eq!(pair[0].offset + 1, pair[1].offset, "no offset is missing or comes twice");
    }
}

/// Does the same on some threads at once.
async fn on_threads<T, F>(act: impl Fn(usize) -> F + Clone + Send + 'static) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let start = Arc::new(std::sync::Barrier::new(THREADS));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (act, start, runtime) = (act.clone(), Arc::clone(&start), Handle::current());
            spawn_blocking(move || {
                start.wait();
                runtime.block_on(act(thread))
            })
        })
        .collect();
    let mut answers = Vec::new();
    for thread in threads {
        answers.push(thread.await.expect("a thread of a check ends"));
    }
    answers
}
