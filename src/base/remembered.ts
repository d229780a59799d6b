/**
 * A function whose answers are remembered by what was asked, `max` of them; then it begins anew. For what depends on nothing else and costs
 * more than finding it: several callers may get the same object, which none may change.
 */
export function remembered<K, V>(max: number, answerTo: (asked: K) => V): (asked: K) => V {
  const answers = new Map<K, V>();
  return (asked) => {
    const known = answers.get(asked);
    if (known !== undefined) return known;
    const answer = answerTo(asked);
    if (answers.size >= max) answers.clear();
    answers.set(asked, answer);
    return answer;
  };
}
