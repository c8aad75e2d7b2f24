//! Random identifiers.

use std::cell::RefCell;

use crate::seal::fill_random;

/// Random bytes of a thread that are not used yet.
struct Supply {
    bytes: [u8; SUPPLY],
    used: usize,
}

/// Returns `N` random bytes, of up to 64.
///
/// They come from the generator of the cryptographic library, many at a time, because one request for
/// them costs more than to use them. Without randomness of the system they are all 1.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::trace::random;
///
/// assert_ne!(random::<16>(), random::<16>());
/// ```
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    const { assert!(N <= 64, "at most 64 bytes at once") };
    SUPPLIES.with_borrow_mut(|supply| {
        if SUPPLY - supply.used < N {
            // Zeros would be an invalid identifier.
            if fill_random(&mut supply.bytes).is_err() {
                return [1; N];
            }
            supply.used = 0;
        }
        let mut bytes = [0; N];
        bytes.copy_from_slice(&supply.bytes[supply.used..supply.used + N]);
        supply.used += N;
        bytes
    })
}

/// Number of bytes that are requested at once.
const SUPPLY: usize = 1024;

thread_local! {
    static SUPPLIES: RefCell<Supply> = const {
        RefCell::new(Supply { bytes: [0; SUPPLY], used: SUPPLY })
    };
}
