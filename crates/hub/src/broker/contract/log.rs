//! Offsets, reading, gaps, keys and followers, one call after the other.

use super::*;
use crate::channel::Pattern;
use crate::position::Epoch;

/// Keeps the last three.
const THREE: Retention = Retention { size: 3, ..ALL };

pub(super) async fn offsets_are_contiguous(subject: Subject) {
    let inbox = inbox();
    let before = subject.subscribe(&inbox).await;
    assert_eq!(subject.top().await, before, "a log ends where subscribing says");
    for n in 1..=5 {
        let published = subject.publish(&n.to_string(), ALL).await;
        assert!(!published.is_duplicate, "a publication without a key is no duplicate");
        let position = published.position;
        assert_eq!(
            (position.epoch, position.offset),
            (before.epoch, before.offset + n),
            "offsets grow by one"
        );
        assert_eq!(position.channel, subject.channel);
    }
    let page = subject.read(Since::After(before.epoch, before.offset), 100).await;
    assert_eq!(page.top, Top { offset: before.offset + 5, ..before });
    let handed = take_publications(&inbox, 5).await;
    for (n, (read, handed)) in page.publications.iter().zip(&handed).enumerate() {
        assert_eq!(read.position(), handed.position(), "what is read and what is handed over is the same");
        assert_eq!((text(read), text(handed)), ((n + 1).to_string(), (n + 1).to_string()));
    }
}

pub(super) async fn pages_join_without_a_hole(subject: Subject) {
    let Top { epoch, offset: start } = subject.top().await;
    for n in 0..10 {
        subject.publish(&n.to_string(), ALL).await;
    }
    let all: Vec<_> = (start + 1..=start + 10).collect();
    assert_eq!(offsets(&subject.read(Since::Start, 100).await), all);
    for limit in 1..=11 {
        let (mut forward, mut at) = (Vec::new(), start);
        while at < subject.top().await.offset {
            let page = subject.read(Since::After(epoch, at), limit).await;
            assert!(page.gap.is_none() && page.publications.len() <= limit);
            forward.extend(offsets(&page));
            at = *forward.last().expect("a page before the end has publications");
        }
        assert_eq!(forward, all, "in pages of {limit}");
        let (mut backward, mut since) = (Vec::new(), Since::Now);
        loop {
            let page = offsets(&subject.read_in(Order::Reverse, since, limit).await);
            let Some(&last) = page.last() else { break };
            since = Since::After(epoch, last);
            backward.extend(page);
        }
        backward.reverse();
        assert_eq!(backward, all, "backwards in pages of {limit}");
    }
    assert!(subject.read(Since::Now, 100).await.publications.is_empty());
    assert!(subject.read_in(Order::Reverse, Since::Start, 100).await.publications.is_empty());
}

pub(super) async fn gaps_are_exact(subject: Subject) {
    let Top { epoch, offset: start } = subject.top().await;
    for n in 0..10 {
        subject.publish(&n.to_string(), THREE).await;
    }
    let last = start + 10;
    for since in start..=last {
        let page = subject.read(Since::After(epoch, since), 100).await;
        let missing = (since < last - 3).then_some((since + 1, last - 3, GapReason::Expired));
        assert_eq!(gap(&page), missing, "behind {since} of {last}");
        let kept: Vec<_> = (last - 2..=last).filter(|&offset| offset > since).collect();
        assert_eq!(offsets(&page), kept, "behind {since} of {last}");
    }
    assert_eq!(gap(&subject.read(Since::Start, 100).await), None, "what is still there misses nothing");
    let backwards = subject.read_in(Order::Reverse, Since::Now, 100).await;
    assert_eq!((gap(&backwards), offsets(&backwards)), (None, vec![last, last - 1, last - 2]));
}

pub(super) async fn an_idle_channel_is_recovered_after_its_history(subject: Subject) {
    let Top { epoch, offset: start } = subject.top().await;
    let short = Retention { ttl: Duration::from_secs(2), ..ALL };
    subject.publish("a", short).await;
    subject.publish("b", short).await;
    subject.wait(Duration::from_secs(1)).await;
    assert_eq!(subject.read(Since::Start, 100).await.publications.len(), 2, "before its time nothing goes");
    subject.wait(Duration::from_secs(2)).await;
    let missed = subject.read(Since::After(epoch, start + 1), 100).await;
    assert_eq!(gap(&missed), Some((start + 2, start + 2, GapReason::Expired)));
    let idle = subject.read(Since::After(epoch, start + 2), 100).await;
    assert_eq!((gap(&idle), offsets(&idle)), (None, vec![]), "who missed nothing is told no gap");
    assert_eq!(subject.publish("c", short).await.position.offset, start + 3);
    let page = subject.read(Since::After(epoch, start + 2), 100).await;
    assert_eq!((gap(&page), offsets(&page)), (None, vec![start + 3]));
}

pub(super) async fn places_of_other_logs_are_told(subject: Subject) {
    for n in 0..5 {
        subject.publish(&n.to_string(), THREE).await;
    }
    let Top { epoch, offset: last } = subject.top().await;
    let other = Epoch(epoch.0 ^ 1);
    for since in [Since::After(other, last), Since::After(other, 0), Since::After(epoch, last + 1)] {
        let page = subject.read(since, 2).await;
        assert_eq!(gap(&page), Some((0, last - 3, GapReason::Epoch)), "{since:?}");
        assert_eq!(page.gap.map(|gap| gap.epoch), Some(epoch), "a gap speaks of today's log");
        assert_eq!(offsets(&page), [last - 2, last - 1], "after the gap comes what is kept");
    }
    let page = subject.read_in(Order::Reverse, Since::After(other, last), 100).await;
    assert_eq!((gap(&page), offsets(&page)), (None, vec![]));
}

pub(super) async fn what_is_not_kept_is_handed_over(subject: Subject) {
    let inbox = inbox();
    let Top { epoch, offset: start } = subject.subscribe(&inbox).await;
    subject.publish("kept", ALL).await;
    subject.publish("not kept", Retention { size: 0, ..ALL }).await;
    let handed = take_publications(&inbox, 2).await;
    assert_eq!(handed.iter().map(|handed| handed.offset).collect::<Vec<_>>(), [start + 1, start + 2]);
    let page = subject.read(Since::After(epoch, start), 100).await;
    assert_eq!(gap(&page), Some((start + 1, start + 2, GapReason::Expired)), "a hole is never hidden");
    assert!(page.publications.is_empty());
}

pub(super) async fn followers_come_and_go(subject: Subject) {
    let (one, two) = (inbox(), inbox());
    subject.subscribe(&one).await;
    subject.subscribe(&one).await;
    subject.subscribe(&two).await;
    subject.publish("a", ALL).await;
    subject.broker.unsubscribe(&subject.channel, &one);
    subject.publish("b", ALL).await;
    subject.broker.unsubscribe(&subject.channel, &one);
    subject.broker.unsubscribe(&subject.channel, &one);
    subject.publish("c", ALL).await;
    subject.subscribe(&one).await;
    subject.publish("d", ALL).await;
    let texts = |handed: Vec<Arc<Publication>>| handed.iter().map(|handed| text(handed)).collect::<String>();
    assert_eq!(texts(take_publications(&one, 3).await), "abd", "once each, until the last unsubscribe");
    assert_eq!(texts(take_publications(&two, 4).await), "abcd");
}

pub(super) async fn keys_are_per_channel_and_for_a_time(subject: Subject) {
    let other = subject.of("contract:other");
    let none = Retention { size: 0, ..ALL };
    let first = subject.publish_with_key("a", none, Some("key")).await;
    let again = subject.publish_with_key("b", none, Some("key")).await;
    assert_eq!(again.position, first.position, "a key has the position of its publication, kept or not");
    assert!(!first.is_duplicate && again.is_duplicate);
    assert!(!other.publish_with_key("a", none, Some("key")).await.is_duplicate, "keys are per channel");
    assert!(!subject.publish_with_key("a", none, Some("other")).await.is_duplicate);
    subject.wait(Draft::KEY_TTL.saturating_sub(Duration::from_secs(1))).await;
    assert!(subject.publish_with_key("c", none, Some("key")).await.is_duplicate);
    subject.wait(Duration::from_secs(2)).await;
    let anew = subject.publish_with_key("d", none, Some("key")).await;
    assert!(!anew.is_duplicate, "a key is remembered from its publication on, however often it comes");
    assert_eq!(anew.position.offset, first.position.offset + 2);
}

pub(super) async fn channels_are_listed_by_name(subject: Subject) {
    for name in ["b:2", "a:1", "b:1", "b:3"] {
        subject.of(name).publish("a", ALL).await;
    }
    subject.of("b:2").publish("b", ALL).await;
    subject.of("b:0").subscribe(&inbox()).await;
    subject.of("b:4").top().await;
    let list = async |pattern: &str, limit| {
        let pattern = pattern.parse::<Pattern>().expect("patterns in checks are patterns");
        let listed = subject.broker.channels(&pattern, limit).await.expect("channels are listed");
        listed.iter().map(|info| format!("{}+{}", info.channel, info.history)).collect::<Vec<_>>()
    };
    assert_eq!(list("*", 10).await, ["a:1+1", "b:0+0", "b:1+1", "b:2+2", "b:3+1"]);
    assert_eq!(list("b:*", 3).await, ["b:0+0", "b:1+1", "b:2+2"]);
    assert_eq!(list("b:2", 3).await, ["b:2+2"]);
    assert_eq!(list("b", 3).await, Vec::<String>::new());
}
