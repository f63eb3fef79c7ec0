// Chance that a seed repeats.

/** Numbers in [0, 1), the same ones for the same seed (xorshift32). */
export function randomOf(seed) {
    let state = Math.imul(seed, 2654435761) | 1;
    return () => {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        return (state >>> 0) / 2 ** 32;
    };
}

/** One of a list. */
export const pick = (random, list) => list[Math.floor(random() * list.length)];
