"""Samples that are nearly the same: texts that quote each other, images that were saved again. No network is run.

The work grows with the number of samples, not with that of their pairs: candidates share a rare shingle, or a part of
their hash.
"""

import hashlib
import itertools
import re

import numpy as np
from PIL import Image
from scipy.fft import dctn
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

WORDS = 5  # of a shingle
FEWEST = 3  # shingles that near copies share
RARE = 20  # a shingle in more texts than this is boilerplate
QUOTED = 0.2  # share of the shorter text's shingles that near copies share, without boilerplate
SAME = 0.5  # the same with boilerplate, for texts that are neighbours
BLOCK = 2000  # texts that are compared with all others at a time
# Chinese, Japanese: each character is a word. Any other run of letters and digits is one.
CHARACTERS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORD = re.compile(rf"[{CHARACTERS}]|[^\W_{CHARACTERS}]+")
THUMBNAIL, WAVES = 32, 8  # pixels of an image's side before, and cosine waves after the transform
BITS_APART, COSINE = 4, 0.99  # of near copies, at most and at least
WINDOW = 50  # images with the same part of the hash that each image is compared with
FACTORS = np.array([3, 5, 7, 11, 13], np.uint64) ** np.array([21, 17, 13, 11, 9], np.uint64)


def similar_texts(texts):
    """Pairs of texts of which one quotes the other, or that differ little.

    Two texts are a pair if all their words are the same in order, or if they share at least 3 shingles of 5 words and a
    fifth of the shorter text's shingles (containment, Broder 1997). Shingles that are in more than 20 texts do not
    count. Some texts share only what is in many texts, such as forms that were filled in. Each of these is compared
    with the next one that has the same shingle, and they are a pair if they share half of the shorter text's shingles.
    So the copies of a form hang together, one to the next.

    Parameters
    ----------
    texts : iterable of str, n different ones

    Returns
    -------
    int64 array, shape (pairs, 2), the smaller number first, sorted
    """
    known, shingles, whole = {}, [], []
    for text in texts:
        words = np.array([_number(word, known) for word in WORD.findall(text.casefold())], np.uint64)
        shingles.append(np.unique(_shingles(words)))
        whole.append(hashlib.blake2b(words.tobytes(), digest_size=8).digest() if len(words) else len(whole))
    found = [_same_words(whole)]
    sizes = np.array([len(own) for own in shingles])
    if sizes.sum():
        text_of, every = np.repeat(np.arange(len(sizes)), sizes), np.concatenate(shingles)
        order = np.argsort(every, kind="stable")
        names, place, in_texts = np.unique(every[order], return_inverse=True, return_counts=True)
        text_of = text_of[order]
        rare, often = ((in_texts > 1) & (in_texts <= RARE))[place], (in_texts > RARE)[place]
        found += _quoting(text_of[rare], place[rare], sizes, len(names))
        found.append(_hardly_different(text_of[often], place[often], shingles))
    return _sorted(np.concatenate(found))


def has_shingles(text):
    """Whether a text has words enough to be compared by parts."""
    return sum(1 for _ in itertools.islice(WORD.finditer(text), WORDS)) == WORDS


def _number(word, known):
    if word not in known:
        known[word] = int.from_bytes(hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest())
    return known[word]


def _shingles(words):
    """A number for every five words in a row, shape (words - 4,)."""
    if len(words) < WORDS:
        return np.empty(0, np.uint64)
    return sum(words[k : len(words) - WORDS + 1 + k] * FACTORS[k] for k in range(WORDS))


def _same_words(whole):
    first, pairs = {}, []
    for number, key in enumerate(whole):
        if first.setdefault(key, number) != number:
            pairs.append((first[key], number))
    return np.array(pairs, np.int64).reshape(-1, 2)


def _quoting(text_of, shingle, sizes, width):
    """Pairs that share enough rare shingles, block by block."""
    table = csr_array((np.ones(len(text_of), np.int32), (text_of, shingle)), (len(sizes), width))
    for start in range(0, len(sizes), BLOCK):
        shared = (table[start : start + BLOCK] @ table.T).tocoo()
        one, other = shared.coords[0] + start, shared.coords[1]
        near = (one < other) & (shared.data >= np.maximum(FEWEST, QUOTED * np.minimum(sizes[one], sizes[other])))
        yield np.stack([one[near], other[near]], axis=1).astype(np.int64)


def _hardly_different(text_of, shingle, shingles):
    """Pairs among texts that share shingles with many: each is compared with the next text that has the same ones."""
    neighbours = shingle[1:] == shingle[:-1]
    pairs = np.stack([text_of[:-1][neighbours], text_of[1:][neighbours]], axis=1)
    pairs, counts = np.unique(pairs, axis=0, return_counts=True)
    pairs = pairs[counts >= FEWEST]
    near = [
        len(np.intersect1d(shingles[one], shingles[other], assume_unique=True))
        >= SAME * min(len(shingles[one]), len(shingles[other]))
        for one, other in pairs
    ]
    return pairs[np.array(near, bool)].astype(np.int64)


def signature(image):
    """The 63 slowest cosine waves of an image, independent of its size, brightness and contrast; float32, length 1.

    All zeros for an image of one colour. The signs are the perceptual hash of Zauner (2010), "pHash".

    Parameters
    ----------
    image : array, shape (height, width, channels)
    """
    grey = np.nan_to_num(image.astype(np.float32)).mean(axis=2)
    small = np.asarray(Image.fromarray(grey).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))
    waves = dctn(small, norm="ortho")[:WAVES, :WAVES].ravel()[1:]
    length = np.linalg.norm(waves)
    return waves / length if length > 1e-6 * np.abs(small).max() else np.zeros_like(waves)


def similar_images(signatures):
    """Pairs of images that look the same: saved again, resized, a little brighter or noisier; not turned or cropped.

    At most 4 of the 63 bits of their hashes differ, and the cosine of their signatures is at least 0.99. Hashes with at
    most 4 different bits have one of five parts in common, so only images that share a part are compared. Where very
    many do, each is compared with the next 50 in the order of their hashes.

    Parameters
    ----------
    signatures : array of float, shape (n, 63), see `signature`

    Returns
    -------
    int64 array, shape (pairs, 2), the smaller number first, sorted
    """
    bits = signatures > np.median(signatures, axis=1, keepdims=True)
    found = [np.empty((0, 2), np.int64)]
    for part in np.array_split(np.arange(bits.shape[1]), BITS_APART + 1):
        rest = np.setdiff1d(np.arange(bits.shape[1]), part)
        keys = [_packed(bits[:, columns]) for columns in (part, rest)]
        order = np.lexsort(keys[::-1])
        same = keys[0][order]
        for step in range(1, min(WINDOW, len(order) - 1) + 1):
            together = same[step:] == same[:-step]
            one, other = order[:-step][together], order[step:][together]
            near = (bits[one] != bits[other]).sum(axis=1) <= BITS_APART
            near[near] = (signatures[one[near]] * signatures[other[near]]).sum(axis=1) >= COSINE
            found.append(np.stack([one[near], other[near]], axis=1))
            if not together.any():
                break
    return _sorted(np.concatenate(found))


def _packed(bits):
    """The bits of each row as one number; uint64, shape (n,)."""
    return (bits.astype(np.uint64) << np.arange(bits.shape[1], dtype=np.uint64)).sum(axis=1)


def clusters(count, pairs):
    """The number of the cluster of each of `count` samples that `pairs` joins, one to the next."""
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (count, count))
    return connected_components(links, directed=False)[1]


def _sorted(pairs):
    return np.unique(np.sort(pairs.reshape(-1, 2), axis=1), axis=0)
