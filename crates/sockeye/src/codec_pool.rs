//! Compressors and inflaters, pooled per thread: no lock, and no connection owns one between messages.

use sockeye_proto::extension::deflate::{CodecPool, Compressor, Inflater, Settings, Stock};
use std::cell::RefCell;

thread_local! {
    static STOCK: RefCell<Stock> = RefCell::default();
}

/// The pool of whichever thread asks.
#[derive(Debug)]
pub(crate) struct ThreadPool;

impl CodecPool for ThreadPool {
    fn take_inflater(&self) -> Option<Inflater> {
        STOCK.with_borrow_mut(Stock::take_inflater)
    }
    fn put_inflater(&self, inflater: Inflater) {
        STOCK.with_borrow_mut(|stock| stock.put_inflater(inflater));
    }
    fn take_compressor(&self, settings: Settings) -> Option<Compressor> {
        STOCK.with_borrow_mut(|stock| stock.take_compressor(settings))
    }
    fn put_compressor(&self, compressor: Compressor) {
        STOCK.with_borrow_mut(|stock| stock.put_compressor(compressor));
    }
}
