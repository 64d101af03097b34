//! Bits from the lowest on, as deflate packs them (RFC 1951, 3.1.1).

/// Bytes that are written bit by bit.
pub(super) struct Bits {
    bytes: Vec<u8>,
    /// Bytes of them that are written; after these is room for a word.
    written: usize,
    /// Bits that don't fill a byte yet.
    waiting: u64,
    count: u32,
}

const WORD: usize = size_of::<u64>();
/// Bytes that are made ready at once.
const GROWTH: usize = 64 << 10;

impl Bits {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: vec![0; bytes.max(WORD)], written: 0, waiting: 0, count: 0 }
    }

    /// Appends `count` bits, at most 57; those of `bits` above are 0.
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
        // Never 64: after it at most 7 bits wait, and 57 come.
        self.waiting = if whole == 8 { 0 } else { self.waiting >> (whole * 8) };
        self.count %= 8;
    }

    /// Appends a stored block that isn't the last one, of at most 65,535 bytes; an empty one is a sync flush.
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

    /// What was written, to a byte's boundary.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        debug_assert_eq!(self.count, 0, "bits are left");
        self.bytes.truncate(self.written);
        self.bytes
    }
}
