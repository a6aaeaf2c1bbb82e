// A program as a user would write it: Lunary's real JavaScript SDK, a monitored OpenAI client, an agent, a chat thread.
// Run by test_js_sdk with LUNARY_API_URL and LUNARY_PUBLIC_KEY set as `make run` prints them; the model is a local stub.
import http from "node:http";
import lunary from "lunary";
import { monitorOpenAI } from "lunary/openai";
import OpenAI from "openai";

const answer = {
  id: "chatcmpl-1", object: "chat.completion", created: 1795000000, model: "gpt-4o-2024-08-06",
  choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "Try the Sencha." } }],
  usage: { prompt_tokens: 1000, completion_tokens: 500, total_tokens: 1500 },
};
const model = http.createServer((request, response) => {
  request.resume().on("end", () => {
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(answer));
  });
});
await new Promise((ready) => model.listen(0, "127.0.0.1", ready));

lunary.init({ publicKey: process.env.LUNARY_PUBLIC_KEY, apiUrl: process.env.LUNARY_API_URL });
const client = monitorOpenAI(new OpenAI({ apiKey: "none", baseURL: `http://127.0.0.1:${model.address().port}/v1` }));
const search = lunary.wrapTool(async (query) => [{ name: "Sencha", query }], { name: "searchCatalog" });
const shop = lunary.wrapAgent(
  async (question) => {
    await search(question);
    const said = await client.chat.completions.create({
      model: "gpt-4o", messages: [{ role: "user", content: question }],
    });
    return said.choices[0].message.content;
  },
  { name: "shopAgent", tags: ["shop"] },
);

const thread = lunary.openThread({ id: "thread-of-the-shop", userId: "buyer-3", userProps: { vip: true }, tags: ["web"] });
const asked = thread.trackMessage({ id: "question-1", role: "user", content: "Which green tea?" });
const said = await shop("Which green tea?").setParent(asked); // its user comes from the thread
const answered = thread.trackMessage({ id: "answer-1", role: "assistant", content: said });
lunary.trackFeedback(answered, { thumb: "down", comment: "too sweet" });
await lunary.flush();
console.log(JSON.stringify({ thread: thread.id, asked, answered, said }));
model.close();
model.closeAllConnections();
