//! Merkle trees as RFC 6962 section 2.1 defines them: hashes, proofs, and a frontier to append to.

use std::ops::Range;

use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The hash of a leaf: SHA-256 of 0x00 and the leaf's bytes.
#[must_use]
pub fn leaf(body: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(body);
    hasher.finalize().into()
}

/// The hash of an inner node: SHA-256 of 0x01 and both children.
#[must_use]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([1]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// All one needs to append to a tree and tell its root: the roots of its complete subtrees, the
/// largest first. As many as the size has bits that are one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// How many leaves the tree has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends the hash of a leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.push_subtree(leaf, 0);
    }

    /// Appends the root of a complete subtree of 2^`height` leaves. The size must be a multiple of as
    /// many: else it would be no subtree of this tree.
    pub fn push_subtree(&mut self, root: Hash, height: u32) {
        debug_assert!(self.size.trailing_zeros() >= height, "it is aligned");
        let mut hash = root;
        // Each trailing one bit of the size is a complete subtree that the new one completes.
        for _ in 0..(self.size >> height).trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1 << height;
    }

    /// The tree's root. Of an empty tree: SHA-256 of nothing.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.peaks
            .iter()
            .rev()
            .copied()
            .reduce(|right, left| node(&left, &right))
            .unwrap_or_else(|| Sha256::digest([]).into())
    }

    /// The frontier as bytes, to be stored beside the tree's size.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.peaks.concat()
    }

    /// The frontier of a tree of this size; none when the bytes are not of the right length.
    #[must_use]
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (peaks, rest) = bytes.as_chunks::<32>();
        let whole = rest.is_empty() && peaks.len() == size.count_ones() as usize;
        whole.then(|| Self {
            size,
            peaks: peaks.to_vec(),
        })
    }
}

/// The root of the tree over these leaf hashes.
#[must_use]
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier.root()
}

/// The largest power of two below `size`, where RFC 6962 splits a tree. `size` is at least 2.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// The subtrees whose roots are the audit path of one leaf, from the leaf to the root (section
/// 2.1.1), as ranges of leaves; none when there is no such leaf. Each root can be computed without
/// holding the others' leaves.
#[must_use]
pub fn inclusion(index: u64, size: u64) -> Option<Vec<Range<u64>>> {
    if index >= size {
        return None;
    }
    let mut path = Vec::new();
    let mut part = 0..size;
    while part.end - part.start > 1 {
        let middle = part.start + split(part.end - part.start);
        if index < middle {
            path.push(middle..part.end);
            part.end = middle;
        } else {
            path.push(part.start..middle);
            part.start = middle;
        }
    }
    path.reverse();
    Some(path)
}

/// Whether `path` proves that `leaf` is at `index` in the tree of `size` leaves with this root
/// (RFC 9162 section 2.1.3.2).
#[must_use]
pub fn verify_inclusion(leaf: Hash, (index, size): (u64, u64), path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// The subtrees whose roots prove that the tree of `size` leaves extends the one over the first
/// `old` of them (section 2.1.2), as ranges of leaves; none when there are not so many, or none.
#[must_use]
pub fn consistency(old: u64, size: u64) -> Option<Vec<Range<u64>>> {
    if old == 0 || old > size {
        return None;
    }
    let mut path = Vec::new();
    let (mut part, mut whole) = (0..size, true);
    while old < part.end {
        let middle = part.start + split(part.end - part.start);
        if old <= middle {
            path.push(middle..part.end);
            part.end = middle;
        } else {
            path.push(part.start..middle);
            part.start = middle;
            whole = false;
        }
    }
    if !whole {
        path.push(part);
    }
    path.reverse();
    Some(path)
}

/// Whether `path` proves that the tree of `new` (size and root) extends the one of `old`
/// (RFC 9162 section 2.1.4.2).
#[must_use]
pub fn verify_consistency(old: (u64, &Hash), new: (u64, &Hash), path: &[Hash]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size == 0 || old_size > new_size {
        return false;
    }
    if old_size == new_size {
        return path.is_empty() && old_root == new_root;
    }
    let mut path = path.iter();
    let first = if old_size.is_power_of_two() {
        *old_root
    } else {
        match path.next() {
            Some(hash) => *hash,
            None => return false,
        }
    };
    let (mut at, mut last) = (old_size - 1, new_size - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut of_old, mut of_new) = (first, first);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            of_old = node(sibling, &of_old);
            of_new = node(sibling, &of_new);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            of_new = node(&of_new, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && of_old == *old_root && of_new == *new_root
}

#[cfg(test)]
mod tests {
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use proptest::prelude::*;

    use super::*;

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count)
            .map(|number| leaf(&number.to_be_bytes()))
            .collect()
    }

    fn roots(all: &[Hash], ranges: &[Range<u64>]) -> Vec<Hash> {
        let part = |range: &Range<u64>| root(&all[range.start as usize..range.end as usize]);
        ranges.iter().map(part).collect()
    }

    #[test]
    fn roots_agree_with_another_implementation() {
        let mut other = MemoryBackedTree::<Sha256, [u8; 8]>::new();
        let mut frontier = Frontier::default();
        assert_eq!(frontier.root()[..], other.root().as_bytes()[..]);
        for number in 0..300_u64 {
            frontier.push(leaf(&number.to_be_bytes()));
            other.push(number.to_be_bytes());
            assert_eq!(frontier.root()[..], other.root().as_bytes()[..], "{number}");
            let stored = Frontier::from_bytes(frontier.size(), &frontier.to_bytes());
            assert_eq!(stored, Some(frontier.clone()));
        }
        assert_eq!(Frontier::from_bytes(3, &[0; 32]), None);
    }

    proptest! {
        #[test]
        fn subtrees_are_pushed_like_their_leaves(parts in prop::collection::vec(any::<bool>(), 1..40), height in 1_u32..4) {
            let (mut by_leaf, mut by_part) = (Frontier::default(), Frontier::default());
            for whole in parts {
                let aligned = by_part.size().is_multiple_of(1 << height);
                let some = leaves(if whole && aligned { 1 << height } else { 1 });
                some.iter().for_each(|leaf| by_leaf.push(*leaf));
                by_part.push_subtree(root(&some), some.len().ilog2());
                prop_assert_eq!(&by_leaf, &by_part);
            }
        }

        #[test]
        fn inclusion_is_provable_and_nothing_else_is(size in 1_u64..200, at: prop::sample::Index, flip: prop::sample::Index) {
            let all = leaves(size);
            let index = at.index(all.len());
            let mut path = roots(&all, &inclusion(index as u64, size).unwrap());
            let root = root(&all);
            let place = (index as u64, size);
            prop_assert!(verify_inclusion(all[index], place, &path, &root));
            prop_assert!(!verify_inclusion(leaf(b"other"), place, &path, &root));
            prop_assert!(!verify_inclusion(all[index], (place.0 + 1, size), &path, &root) );
            if !path.is_empty() {
                let bit = flip.index(path.len() * 256);
                path[bit / 256][bit % 256 / 8] ^= 1 << (bit % 8);
                prop_assert!(!verify_inclusion(all[index], place, &path, &root));
            }
        }

        #[test]
        fn consistency_is_provable_and_nothing_else_is(size in 1_u64..200, at: prop::sample::Index) {
            let all = leaves(size);
            let old = 1 + at.index(all.len());
            let path = roots(&all, &consistency(old as u64, size).unwrap());
            let (old_root, new_root) = (root(&all[..old]), root(&all));
            prop_assert!(verify_consistency((old as u64, &old_root), (size, &new_root), &path));
            let mut forged = all.clone();
            forged[old - 1] = leaf(b"other");
            prop_assert!(!verify_consistency((old as u64, &root(&forged[..old])), (size, &new_root), &path));
        }
    }
}
