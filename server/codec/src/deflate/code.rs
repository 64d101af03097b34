//! Huffman codes for deflate (RFC 1951, 3.2.2).

/// Maximum code length in bits.
const LONGEST: usize = 15;

/// Huffman code of an alphabet of `N` symbols.
pub(super) struct Code<const N: usize> {
    lengths: [u8; N],
    /// Each symbol's code, bit-reversed to writing order.
    codes: [u16; N],
}

impl<const N: usize> Code<N> {
    /// Builds the optimal code for these counts, with at most 15 bits per symbol.
    pub(super) fn of(counts: &[u32; N]) -> Self {
        Self::limited(counts, LONGEST)
    }

    /// Like [`Code::of`], with at most `longest` bits.
    pub(super) fn limited(counts: &[u32; N], longest: usize) -> Self {
        let lengths = lengths(counts, longest);
        // RFC 1951, 3.2.2: shorter codes first; codes of equal length in symbol order.
        let mut next = [0_u16; LONGEST + 1];
        let mut ends = [0_u16; LONGEST + 1];
        lengths.iter().filter(|length| **length > 0).for_each(|length| ends[usize::from(*length)] += 1);
        for length in 1..=LONGEST {
            next[length] = (next[length - 1] + ends[length - 1]) << 1;
        }
        let codes = lengths.map(|length| {
            let code = next[usize::from(length)];
            next[usize::from(length)] += 1;
            if length == 0 { 0 } else { code.reverse_bits() >> (16 - length) }
        });
        Self { lengths, codes }
    }

    pub(super) fn lengths(&self) -> &[u8; N] {
        &self.lengths
    }

    /// Returns a symbol's code and its length in bits.
    #[inline]
    pub(super) fn of_symbol(&self, symbol: usize) -> (u16, u8) {
        (self.codes[symbol], self.lengths[symbol])
    }
}

/// Returns the code length of each symbol. If the optimal code is too long, counts are halved (never to 0) until it
/// fits: this costs some thousandths at most, and hardly ever happens.
fn lengths<const N: usize>(counts: &[u32; N], longest: usize) -> [u8; N] {
    let mut counts = *counts;
    loop {
        let lengths = unlimited(&counts);
        if lengths.iter().all(|length| usize::from(*length) <= longest) {
            return lengths;
        }
        counts.iter_mut().for_each(|count| *count = count.div_ceil(2));
    }
}

/// Huffman's algorithm with two queues: symbols by count, and pairs in creation order.
fn unlimited<const N: usize>(counts: &[u32; N]) -> [u8; N] {
    let mut symbols: Vec<(u32, usize)> =
        counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(symbol, count)| (*count, symbol)).collect();
    let mut lengths = [0; N];
    if let [(_, only)] = symbols[..] {
        lengths[only] = 1;
        return lengths;
    }
    symbols.sort_unstable();
    // Nodes: the symbols, rarest first, then the pairs. Each has its count and, once paired, its parent's index.
    let mut nodes: Vec<(u32, usize)> = symbols.iter().map(|(count, _)| (*count, 0)).collect();
    let (mut symbol, mut pair) = (0, symbols.len());
    while nodes.len() + 1 < 2 * symbols.len() {
        let parent = nodes.len();
        let mut take = || {
            let rarest = if symbol < symbols.len() && (pair == parent || nodes[symbol].0 <= nodes[pair].0) {
                &mut symbol
            } else {
                &mut pair
            };
            let node = *rarest;
            *rarest += 1;
            nodes[node].1 = parent;
            nodes[node].0
        };
        let sum = take() + take();
        nodes.push((sum, 0));
    }
    // From the root down: a node is one level below its parent.
    let mut depths = vec![0_u8; nodes.len()];
    for node in (0..nodes.len().saturating_sub(1)).rev() {
        depths[node] = depths[nodes[node].1].saturating_add(1);
    }
    for ((_, symbol), depth) in symbols.iter().zip(&depths) {
        lengths[*symbol] = *depth;
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The Kraft sum in units of the longest code: exactly 1 for a complete code.
    fn kraft(lengths: &[u8]) -> u32 {
        lengths.iter().filter(|length| **length > 0).map(|length| 1 << (LONGEST - usize::from(*length))).sum()
    }

    #[test]
    fn frequent_symbols_have_short_codes() {
        assert_eq!(lengths(&[8, 1, 4, 0, 1, 2], LONGEST), [1, 4, 2, 0, 4, 3]);
    }

    #[test]
    fn codes_that_were_too_long_are_complete_within_the_limit() {
        // Fibonacci numbers produce the deepest tree.
        let mut counts = [1_u32; 30];
        for at in 2..30 {
            counts[at] = counts[at - 1] + counts[at - 2];
        }
        assert!(unlimited(&counts).iter().any(|length| *length > 15), "or this shows nothing");
        for longest in [5, 7, 15] {
            let lengths = lengths(&counts, longest);
            assert!(lengths.iter().all(|length| (1..=longest).contains(&usize::from(*length))), "{lengths:?}");
            assert_eq!(kraft(&lengths), 1 << LONGEST, "{lengths:?}");
        }
    }

    #[test]
    fn the_codes_of_the_standards_example() {
        // RFC 1951, 3.2.2: lengths (3, 3, 3, 3, 3, 2, 4, 4), codes 010 … 1111; codes are written from their highest bit on.
        let code = Code::of(&[4, 4, 4, 4, 4, 8, 2, 2]);
        assert_eq!(code.lengths(), &[3, 3, 3, 3, 3, 2, 4, 4]);
        let codes: Vec<String> = (0..8)
            .map(|symbol| {
                let (code, length) = code.of_symbol(symbol);
                format!("{:0width$b}", code.reverse_bits() >> (16 - length), width = usize::from(length))
            })
            .collect();
        assert_eq!(codes, ["010", "011", "100", "101", "110", "00", "1110", "1111"]);
    }

    #[test]
    fn one_symbol_has_one_bit_and_none_has_none() {
        assert_eq!(lengths(&[0, 9, 0], LONGEST), [0, 1, 0]);
        assert_eq!(lengths(&[0, 0], LONGEST), [0, 0]);
    }
}
