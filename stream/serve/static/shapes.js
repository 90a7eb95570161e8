// Tests of a value's shape, for whole documents and for the sections of mechanics. Each returns true or false.

const MAX_ITEMS = 5_000;

export const int = Number.isSafeInteger;
export const num = Number.isFinite;
export const str = (value) => typeof value === "string";
export const bool = (value) => typeof value === "boolean";
export const maybe = (test) => (value) => value === null || value === undefined || test(value);
export const list = (test) => (value) => Array.isArray(value) && value.length <= MAX_ITEMS && value.every(test);
export const shape = (fields) => (value) =>
  typeof value === "object" && value !== null && Object.entries(fields).every(([name, test]) => test(value[name]));
export const record = (test) => (value) =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every(test);

/** A distinct count. */
export const count = shape({ value: int, method: str, error_95: maybe(num) });
