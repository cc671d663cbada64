/** How much the wording of several texts differs: two figures that need nothing but the texts. */

import { words } from "./words.js";

/** Longer texts repeat more, so texts are cut to a common number of words; shorter ones than this cut nobody. */
export const LEAST_WORDS = 20;

export const DISTINCT_2 = "Distinct-2: different pairs of neighbouring words / all such pairs, pooled over the samples (Li et al. 2016)";
export const DISTANCE = "Mean over all pairs of samples of 1 − |A ∩ B| / |A ∪ B|, where A and B are their sets of words (Jaccard distance)";

/** Return `{distinct2, distance, cut}`; a figure is null where it is not defined. */
export function diversity(texts) {
  const all = texts.map(words);
  const cut = commonLength(all.map((list) => list.length));
  const lists = all.map((list) => list.slice(0, cut));
  return { distinct2: distinct2(lists), distance: meanDistance(lists), cut };
}

function commonLength(lengths) {
  return Math.min(...lengths.map((length) => Math.max(length, LEAST_WORDS)));
}

function distinct2(lists) {
  const pairs = lists.flatMap((list) => list.slice(1).map((word, index) => `${list[index]} ${word}`));
  return pairs.length ? new Set(pairs).size / pairs.length : null;
}

function meanDistance(lists) {
  const sets = lists.filter((list) => list.length).map((list) => new Set(list));
  const distances = sets.flatMap((one, index) => sets.slice(index + 1).map((other) => distance(one, other)));
  return distances.length ? distances.reduce((sum, value) => sum + value, 0) / distances.length : null;
}

function distance(one, other) {
  let common = 0;
  for (const word of one) common += other.has(word);
  return 1 - common / (one.size + other.size - common);
}
