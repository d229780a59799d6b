/**
 * A function whose answers are remembered by what was asked, `max` of them; then it begins anew. For what depends on nothing else and costs
 * more than finding it: several callers may get the same object, which none may change. An answer `undefined` is found out anew each time,
 * so that what is senseless drives nothing out.
 */
export function remembered<K, V>(max: number, answerTo: (asked: K) => V): (asked: K) => V {
  const answers = new Map<K, V>();
  return (asked) => {
    const known = answers.get(asked);
    if (known !== undefined) return known;
    const answer = answerTo(asked);
    if (answer === undefined) return answer;
    if (answers.size >= max) answers.clear();
    answers.set(asked, answer);
    return answer;
  };
}
