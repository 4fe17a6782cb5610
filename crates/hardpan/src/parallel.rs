// SPDX-License-Identifier: Apache-2.0
//! Work on several threads. Results come in the order of the items, whatever the number of threads.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Applies a function to every item. After the first error no new item is begun; among several
/// errors the one of the earliest item is returned.
pub(crate) fn map<T: Sync, R: Send, E: Send>(
    threads: NonZeroUsize,
    items: &[T],
    function: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    map_ranked(threads, items, function, |_| false)
}

/// Like [`map`], but an error that is only the consequence of another item's is returned only where
/// there is no other.
pub(crate) fn map_ranked<T: Sync, R: Send, E: Send>(
    threads: NonZeroUsize,
    items: &[T],
    function: impl Fn(&T) -> Result<R, E> + Sync,
    is_consequence: impl Fn(&E) -> bool,
) -> Result<Vec<R>, E> {
    if threads.get() == 1 || items.len() < 2 {
        return items.iter().map(function).collect();
    }
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let results: Vec<Mutex<Option<Result<R, E>>>> =
        items.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..threads.get().min(items.len()) {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    let result = function(item);
                    if result.is_err() {
                        failed.store(true, Ordering::Relaxed);
                    }
                    if let Ok(mut slot) = results[index].lock() {
                        *slot = Some(result);
                    }
                }
            });
        }
    });
    let mut finished = Vec::with_capacity(items.len());
    let mut consequence = None;
    for slot in results {
        // A slot stays empty only behind one with an error.
        match slot.into_inner().ok().flatten() {
            Some(Ok(result)) => finished.push(result),
            Some(Err(error)) if is_consequence(&error) => {
                consequence.get_or_insert(error);
            }
            Some(Err(error)) => return Err(error),
            None => {}
        }
    }
    consequence.map_or(Ok(finished), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_first_error_do_not_depend_on_threads() {
        let items: Vec<u32> = (0..100).collect();
        for threads in [1, 2, 7] {
            let threads = NonZeroUsize::new(threads).unwrap();
            let doubled = map(threads, &items, |item| Ok::<u32, ()>(item * 2)).unwrap();
            assert_eq!(doubled, items.iter().map(|item| item * 2).collect::<Vec<_>>());
            let only_one =
                map(threads, &items, |&item| if item == 40 { Err(item) } else { Ok(()) });
            assert_eq!(only_one, Err(40));
            let all_bad = |&item: &u32| Err::<(), u32>(item);
            assert_eq!(map_ranked(threads, &items[..2], all_bad, |_| true), Err(0));
        }
        // The first one is called off because of the second.
        let items = [1, 2];
        let barrier = std::sync::Barrier::new(2);
        let both_bad = |&item: &u32| {
            barrier.wait();
            Err::<(), u32>(item)
        };
        let two = NonZeroUsize::new(2).unwrap();
        assert_eq!(map_ranked(two, &items, both_bad, |&error| error == 1), Err(2));
    }
}
