// Answers, line by line, what the page's modules make of what the tests hand in.
import { createInterface } from "node:readline";

import { choicesIn } from "./chunk.js";
import { diversity } from "./diversity.js";
import { failureOf } from "./failure.js";
import { fromFragment, toFragment } from "./link.js";
import { fromApi, numberIn, shown } from "./number.js";
import { bodyOf, curlOf } from "./request.js";
import { Run } from "./run.js";
import { events } from "./sse.js";
import { words } from "./words.js";

/** Feed bytes (base64) in pieces of the given sizes, the last taking the rest. */
async function sse(data, sizes) {
  const bytes = Buffer.from(data, "base64");
  const stream = new ReadableStream({
    start(controller) {
      let at = 0;
      for (const size of [...sizes, bytes.length]) {
        controller.enqueue(new Uint8Array(bytes.subarray(at, at + size)));
        at += size;
      }
      controller.close();
    },
  });
  const found = [];
  for await (const { event, data: text } of events(stream)) found.push([event, text]);
  return found;
}

function run(settings, chunks) {
  const made = new Run(settings, { seed: 1 }, 0);
  chunks.forEach((chunk, index) => made.take(chunk, 1000 + 100 * index));
  made.end("cut");
  const samples = made.samples.map((sample) => ({
    text: sample.text,
    words: sample.words.map((word) => [word.source, word.text]),
    share: sample.share,
    tokens: sample.tokens,
    finish: sample.finish,
  }));
  return { samples, share: made.share, speed: made.speed, wait: made.wait, tokens: made.tokens };
}

async function failure(status, headers, body) {
  const { kind, title, message, param, wait } = await failureOf(new Response(body, { status, headers }));
  return { kind, title, message, param, wait };
}

const probes = {
  sse,
  run,
  failure,
  words,
  diversity,
  choices: choicesIn,
  link: (settings) => fromFragment(toFragment(settings)),
  fragment: toFragment,
  opened: fromFragment,
  reopened: (fragment) => toFragment(fromFragment(fragment)),
  asked: (settings, fragment) => bodyOf({ ...settings, ...fromFragment(fragment) }),
  number: (text) => [numberIn(text)].map((number) => (Number.isNaN(number) ? null : shown(number)))[0],
  told: (value) => shown(fromApi(value)),
  body: bodyOf,
  curl: curlOf,
};

for await (const line of createInterface({ input: process.stdin })) {
  const [probe, given] = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await probes[probe](...given)) ?? null };
  } catch (error) {
    answer = { error: String(error.stack) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
