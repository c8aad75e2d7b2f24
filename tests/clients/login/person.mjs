// Logs in and lets a client in, as a person does it who clicks through the pages.
//
// usage: node person.mjs URL
//
// URL is where a client sends its person. The name and the password come from the environment, and
// so do the provider to log in at, if it is not the gateway itself, the folder with the npm packages,
// and where the browser is. The person ends up where the client listens; that address is printed, and
// one line is added to the file `PERSON_LOG`.

import { appendFileSync } from "node:fs";
import { launch, logInAtProvider } from "./chromium.mjs";

const { PERSON_NAME, PERSON_PASSWORD, PERSON_LOG, PERSON_PROVIDER } = process.env;
const [start] = process.argv.slice(2);
const gateway = new URL(start).origin;
const deadline = 30_000;

/** Clicks in headless Chromium; returns where the browser is sent. */
async function visit() {
  const chromium = await launch();
  const page = await chromium.newPage();
  try {
    page.setDefaultTimeout(deadline);
    // The client need not listen yet, or at all: what counts is where the browser is sent.
    const away = page.waitForRequest((request) => {
      if (!request.isNavigationRequest()) return false;
      const { origin, searchParams } = new URL(request.url());
      return origin !== gateway && searchParams.has("code");
    });
    away.catch(() => {}); // Whatever keeps it from coming is thrown below.
    await page.goto(start);
    if (PERSON_PROVIDER) {
      await page.getByRole("link", { name: `Continue with ${PERSON_PROVIDER}` }).click();
      await logInAtProvider(page);
    } else {
      await page.getByLabel("User name").fill(PERSON_NAME);
      await page.getByLabel("Password").fill(PERSON_PASSWORD);
      await page.getByRole("button", { name: "Log in" }).click();
    }
    await page.getByRole("button", { name: "Allow" }).click();
    const request = await away;
    const response = await request.response().catch(() => null);
    if (response) await page.waitForLoadState().catch(() => {});
    return request.url();
  } catch (error) {
    throw new Error(`${page.url()} shows: ${await page.innerText("body")}`, { cause: error });
  } finally {
    await chromium.close();
  }
}

const end = await visit();
appendFileSync(PERSON_LOG, `${end}\n`);
console.log(end);
