// Starts headless Chromium, where and with the npm packages that the environment says.

import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { CHROMIUM, NODE_MODULES } = process.env;
const quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
quiet.push("--disable-background-networking", "--disable-component-update", "--disable-sync");

export async function launch(...args) {
  const module = pathToFileURL(join(NODE_MODULES, "playwright-core/index.mjs"));
  const { chromium } = await import(module.href);
  return chromium.launch({ executablePath: CHROMIUM, args: [...quiet, ...args] });
}

/** Goes through the pages of provider.mjs, as the person whom the environment names. */
export async function logInAtProvider(page) {
  const { PERSON_NAME, PERSON_PASSWORD } = process.env;
  await page.getByPlaceholder("Enter any login").fill(PERSON_NAME);
  await page.getByPlaceholder("and password").fill(PERSON_PASSWORD);
  await page.getByRole("button", { name: "Sign-in" }).click();
  await page.getByRole("button", { name: "Continue" }).click();
}
