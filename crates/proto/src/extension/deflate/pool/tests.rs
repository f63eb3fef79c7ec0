use super::*;

const SMALL: Settings = Settings { window_bits: 9, level: 1, mem_level: 1 };
const OTHER: Settings = Settings { level: 2, ..SMALL };

#[test]
fn a_stock_keeps_inflaters_up_to_its_limit() {
    let mut stock = Stock::default();
    assert!(stock.take_inflater().is_none());
    for _ in 0..=Stock::MAX_IDLE {
        stock.put_inflater(Inflater::new());
    }
    let kept = std::iter::from_fn(|| stock.take_inflater()).count();
    assert_eq!(kept, Stock::MAX_IDLE);
}

#[test]
fn a_stock_keeps_compressors_up_to_its_limit_and_the_oldest_makes_room() {
    let mut stock = Stock::default();
    stock.put_compressor(Compressor::new(OTHER));
    for _ in 1..Stock::MAX_IDLE {
        stock.put_compressor(Compressor::new(SMALL));
    }
    let other = stock.take_compressor(OTHER).expect("at the limit all are kept");
    stock.compressors.insert(0, other);
    stock.put_compressor(Compressor::new(SMALL));
    assert!(stock.take_compressor(OTHER).is_none());
    let kept = std::iter::from_fn(|| stock.take_compressor(SMALL)).count();
    assert_eq!(kept, Stock::MAX_IDLE);
}

#[test]
fn each_part_of_the_settings_distinguishes() {
    for settings in [OTHER, Settings { window_bits: 10, ..SMALL }, Settings { mem_level: 2, ..SMALL }] {
        let pool = SharedPool::default();
        pool.put_compressor(Compressor::new(SMALL));
        assert!(pool.take_compressor(settings).is_none());
        assert_eq!(pool.take_compressor(SMALL).map(|compressor| compressor.settings()), Some(SMALL));
        assert!(pool.take_compressor(SMALL).is_none());
    }
}

#[test]
fn a_shared_pool_lends_what_it_was_given() {
    let pool = SharedPool::default();
    assert!(pool.take_inflater().is_none());
    pool.put_inflater(Inflater::new());
    assert!(pool.take_inflater().is_some());
    assert!(pool.take_inflater().is_none());
}

#[test]
fn an_engine_holds_what_it_is_said_to_hold() {
    // Within an eighth: no more, and not much less. Everything is there once a message has gone through.
    let fits = |stated: usize, counted: u64| {
        let stated = stated as u64;
        assert!(counted <= stated && counted > stated - stated / 8, "{counted} of {stated}");
    };
    let message = super::super::tests::noise(40_000);
    for window_bits in 9..=15 {
        for mem_level in 1..=9 {
            let settings = Settings { window_bits, level: 2, mem_level };
            let counted = allocation_counter::measure(|| drop(Compressor::new(settings)));
            fits(settings.compressor_bytes(), counted.bytes_max);
        }
    }
    let mut output = BytesMut::with_capacity(50_000);
    let counted = allocation_counter::measure(|| {
        let mut compressor = Compressor::new(SMALL);
        compressor.start([&message, &message]);
        compressor.compress(&message, &mut output);
    });
    fits(SMALL.compressor_bytes(), counted.bytes_max);
    let counted = allocation_counter::measure(|| {
        let mut inflater = Inflater::new();
        inflater.start([&message, &message]);
        inflater.next(&output).expect("our own stream");
    });
    fits(Inflater::BYTES, counted.bytes_max);
}

#[test]
fn an_engine_is_named_but_not_spelt_out() {
    assert_eq!(format!("{:?}", Inflater::new()), "Inflater { .. }");
    let compressor = format!("{:?}", Compressor::new(SMALL));
    assert!(compressor.contains("window_bits: 9"), "{compressor}");
}

#[test]
fn a_flush_that_fills_the_step_exactly_loses_nothing() {
    // Stored blocks of random bytes bring every length near a multiple of the step.
    let noise = super::super::tests::noise(STEP + 64);
    for length in STEP - 64..=STEP + 64 {
        let mut output = BytesMut::from(&b"before"[..]);
        let mut compressor = Compressor::new(Settings { window_bits: 15, level: 1, mem_level: 9 });
        compressor.start([&[]; 2]);
        compressor.compress(&noise[..length], &mut output);
        output.extend_from_slice(&TAIL);
        let mut inflater = Inflater::new();
        let mut plain = vec![0; STEP + 65];
        let step = inflater.step(&output[6..], &mut plain).expect("our own stream");
        assert_eq!(step, Step { consumed: output.len() - 6, produced: length, ended: false });
        assert_eq!(plain[..length], noise[..length]);
    }
}

#[test]
fn a_short_message_is_compressed_into_a_short_buffer() {
    let mut output = BytesMut::new();
    let mut compressor = Compressor::new(SMALL);
    compressor.start([&[]; 2]);
    compressor.compress(&[7; 128], &mut output);
    assert!(output.len() < 10 && output.capacity() <= 128 + MARGIN, "{}", output.capacity());
}
