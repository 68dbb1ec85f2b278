/** What operators look at as they run: whether the graph is recorded, and whether results may ever take part in one. */
export const mode = { grad: true, inference: false };
