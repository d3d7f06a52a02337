// Loaded by node in each process of a test run: adds tests that cannot pass. TOKEN is replaced by a random word.
if (process.env.NODE_TEST_CONTEXT) {
  const { test } = require('node:test');
  const wrong = [
    ['ok', false], ['equal', 1, 2], ['strictEqual', 1, 2], ['deepEqual', [1], [2]],
    ['deepStrictEqual', { a: 1 }, { a: 2 }], ['throws', () => {}], ['match', 'a', /b/], ['fail'],
  ];
  for (const from of ['assert', 'node:assert', 'node:assert/strict'])
    for (const [name, ...values] of wrong)  // loaded only when it is used, as a test would get it
      test(`${name} of ${from} TOKEN`, () => require(from)[name](...values));
  delete process.env.NODE_TEST_CONTEXT;  // node has read it
}
