//! Header of a TIFF.

use shared::decode::tiff::Order;

pub(super) const fn header_bytes(big: bool) -> usize {
    if big { 16 } else { 8 }
}

/// Returns the header of a file whose first directory is at this offset.
pub(super) fn header(order: Order, big: bool, directory: u64) -> Vec<u8> {
    let mut header = match order {
        Order::Little => b"II".to_vec(),
        Order::Big => b"MM".to_vec(),
    };
    if big {
        order.put(&mut header, 43, 2);
        order.put(&mut header, 8, 2);
        order.put(&mut header, 0, 2);
        order.put(&mut header, directory, 8);
    } else {
        order.put(&mut header, 42, 2);
        order.put(&mut header, directory, 4);
    }
    header
}
