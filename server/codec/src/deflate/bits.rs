//! Bit writer, lowest bit first, as deflate packs bits (RFC 1951, 3.1.1).

/// Bytes written bit by bit.
pub(super) struct Bits {
    bytes: Vec<u8>,
    /// Number of bytes written; `put` makes room for a word after them.
    written: usize,
    /// Bits that don't fill a byte yet.
    waiting: u64,
    count: u32,
}

const WORD: usize = size_of::<u64>();
/// Bytes by which the buffer grows.
const GROWTH: usize = 64 << 10;

impl Bits {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: vec![0; bytes.max(WORD)], written: 0, waiting: 0, count: 0 }
    }

    /// Appends `count` bits, at most 57; the bits of `bits` above must be 0.
    #[inline]
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        debug_assert!(count <= 57 && bits >> count == 0, "{count} bits of {bits:#x}");
        self.waiting |= bits << self.count;
        self.count += count;
        if self.bytes.len() - self.written < WORD {
            self.bytes.resize(self.written + GROWTH, 0);
        }
        self.bytes[self.written..][..WORD].copy_from_slice(&self.waiting.to_le_bytes());
        let whole = self.count / 8;
        self.written += whole as usize;
        // `count` can reach 64 (7 waiting bits and 57 new ones), and a shift by 64 would overflow.
        self.waiting = if whole == 8 { 0 } else { self.waiting >> (whole * 8) };
        self.count %= 8;
    }

    /// Appends a non-final stored block of at most 65,535 bytes; an empty one is a sync flush.
    pub(super) fn stored(&mut self, bytes: &[u8]) {
        self.put(0, 3);
        if self.count > 0 {
            self.put(0, 8 - self.count);
        }
        let length = u16::try_from(bytes.len()).expect("a block is shorter");
        self.bytes.truncate(self.written);
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend((!length).to_le_bytes());
        self.bytes.extend_from_slice(bytes);
        self.written = self.bytes.len();
    }

    /// Returns the written bytes; must be on a byte boundary.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        debug_assert_eq!(self.count, 0, "bits are left");
        self.bytes.truncate(self.written);
        self.bytes
    }
}
