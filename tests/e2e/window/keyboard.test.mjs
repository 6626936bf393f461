// The whole guided demo with nothing but keys.
import assert from "node:assert/strict";
import { test } from "node:test";
import { walkDemo } from "../lib/demo.mjs";
import { Window } from "../lib/webdriver.mjs";

test("the demo leads from broken to verified by keyboard alone", async () => {
  const window = await Window.open();
  try {
    await window.resize(1280, 720);
    const passed = await walkDemo(window, { keyboard: true });
    assert.match(passed[2].headline, /failed/, "it begins with something wrong");
    assert.match(passed.at(-1).headline, /All \d+ migrations are in/, "it ends with everything in");
    assert.ok(passed.some((screen) => screen.name === "drift"), "the live schema was compared");
  } finally {
    await window.close();
  }
});
