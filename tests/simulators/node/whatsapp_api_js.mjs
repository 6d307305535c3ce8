// whatsapp-api-js: every message class that it exports, plus read marks, media and blocking.
// The library fixes the host; its `ponyfill.fetch` option decides where the requests go.
import { WhatsAppAPI } from "whatsapp-api-js";
import * as m from "whatsapp-api-js/messages";
import { base, documentId, imageId, link, phone, quoted, report, to, token } from "./report.mjs";

const target = new URL(base);
const api = new WhatsAppAPI({
  token,
  appSecret: "unused",
  v: "v25.0",
  ponyfill: {
    fetch: (url, options) => {
      const moved = new URL(url);
      moved.protocol = target.protocol;
      moved.host = target.host;
      return fetch(moved, options);
    },
  },
});

async function check(promise) {
  const answer = await promise;
  if (answer.error) throw new Error(JSON.stringify(answer.error));
  return answer;
}

const send = (message, context, data, recipient = { phone: to }) => async () => {
  const answer = await check(api.sendMessage(phone, recipient, message, context, data));
  return { type: message._type, id: answer.messages[0].id };
};

const body = new m.Body("body");
const footer = new m.Footer("footer");
const row = (id) => new m.Row(id, `row ${id}`, "description");
const product = (id) => new m.Product(id);
const template = (...components) => send(new m.Template("any", new m.Language("en_US"), ...components));

await report({
  text: send(new m.Text("hello", true)),
  reply: send(new m.Text("hello"), quoted, "our-id"),
  "text to a user id": send(new m.Text("hello"), undefined, undefined, { bsuid: "US.13491208655302741918" }),
  image: send(new m.Image(link, false, "caption")),
  "image by id": send(new m.Image(imageId, true, "caption")),
  video: send(new m.Video(link, false, "caption")),
  audio: send(new m.Audio(link)),
  voice: send(new m.Audio(link, false, true)),
  document: send(new m.Document(link, false, "caption", "a.pdf")),
  "document by id": send(new m.Document(documentId, true, "caption", "a.pdf")),
  sticker: send(new m.Sticker(link)),
  location: send(new m.Location(-122.1, 37.4, "name", "address")),
  contacts: send(
    new m.Contacts(
      [
        new m.Name("John Smith", "John", "Smith"),
        new m.Birthday("1990", "01", "31"),
        new m.Phone("+16505551234", "WORK", "16505551234"),
        new m.Email("john@example.com", "WORK"),
        new m.Organization("Company", "Department", "Title"),
        new m.Url("https://example.com", "WORK"),
        new m.Address("United States", "us", "CA", "Menlo Park", "1 Hacker Way", "94025", "WORK"),
      ],
      [new m.Name("Jane", "Jane"), new m.Phone("+16505551235")],
    ),
  ),
  reaction: send(new m.Reaction(quoted, "😀")),
  "reaction removed": send(new m.Reaction(quoted)),
  buttons: send(
    new m.Interactive(
      new m.ActionButtons(new m.Button("1", "Yes"), new m.Button("2", "No")),
      body,
      new m.Header(new m.Image(link)),
      footer,
    ),
  ),
  list: send(
    new m.Interactive(
      new m.ActionList("open", new m.ListSection("A", row("1")), new m.ListSection("B", row("2"))),
      body,
      new m.Header("header"),
      footer,
    ),
  ),
  catalog: send(new m.Interactive(new m.ActionCatalog(product("SKU")), body, undefined, footer)),
  product: send(new m.Interactive(new m.ActionProduct(new m.CatalogProduct("SKU", "1")), body)),
  "product without a body": send(new m.Interactive(new m.ActionProduct(new m.CatalogProduct("SKU", "1")))),
  products: send(
    new m.Interactive(
      new m.ActionProductList("1", new m.ProductSection("A", product("X"), product("Y"))),
      body,
      new m.Header("header"),
    ),
  ),
  "call to action": send(new m.Interactive(new m.ActionCTA("Go", "https://example.com"), body)),
  flow: send(new m.Interactive(new m.ActionNavigateFlow("token", "1", "Start", "SCREEN", { a: "b" }), body)),
  "flow with data": send(new m.Interactive(new m.ActionDataExchangeFlow("token", "1", "Start", "draft"), body)),
  "location request": send(new m.Interactive(new m.ActionLocation(), body)),
  "call permission": send(new m.Interactive(new m.ActionCallPermission(), body)),
  "contact request": send(new m.Interactive(new m.ActionContactRequest(), body)),
  "template without parameters": send(new m.Template("hello_world", "en_US")),
  "template header and body": template(
    new m.HeaderComponent(new m.HeaderParameter("text")),
    new m.BodyComponent(new m.BodyParameter("text"), new m.BodyParameter(new m.Currency(1000, "USD", "$1"))),
  ),
  "template date": template(new m.BodyComponent(new m.BodyParameter(new m.DateTime("today")))),
  "template named": template(new m.BodyComponent(new m.BodyParameter("text", "name"))),
  "template image": template(new m.HeaderComponent(new m.HeaderParameter(new m.Image(link)))),
  "template video": template(new m.HeaderComponent(new m.HeaderParameter(new m.Video(link)))),
  "template document": template(new m.HeaderComponent(new m.HeaderParameter(new m.Document(link)))),
  "template location": template(new m.HeaderComponent(new m.HeaderParameter(new m.Location(1, 2, "name", "address")))),
  "template product": template(new m.HeaderComponent(new m.HeaderParameter(new m.CatalogProduct("SKU", "1")))),
  "template buttons": template(new m.URLComponent("x"), new m.PayloadComponent("y"), new m.CopyComponent("25OFF")),
  "template skipped button": template(new m.SkipButtonComponent(), new m.URLComponent("x")),
  "template catalog": template(new m.CatalogComponent(product("SKU"))),
  "template products": template(new m.MPMComponent(product("X"), new m.ProductSection("A", product("X")))),
  "template flow": template(new m.FlowComponent("token", { a: "b" })),
  "template carousel": template(
    new m.CarouselComponent(
      new m.CarouselCard(new m.Image(link), new m.PayloadComponent("x")),
      new m.CarouselCard(new m.Image(imageId, true), new m.PayloadComponent("y")),
    ),
  ),
  "template offer": template(new m.LTOComponent(1893456000000)),
  "template tap target": template(new m.TapTargetComponent("title", "https://example.com")),
  "read mark": async () => ({ success: (await check(api.markAsRead(phone, quoted))).success }),
  "read mark with typing": async () => ({ success: (await check(api.markAsRead(phone, quoted, "text"))).success }),
  media: async () => {
    const form = new FormData();
    form.set("file", new Blob(["plain text"], { type: "text/plain" }), "a.txt");
    const { id } = await check(api.uploadMedia(phone, form));
    const found = await check(api.retrieveMedia(id, phone));
    const content = await (await api.fetchMedia(found.url)).text();
    return { content, ...(await check(api.deleteMedia(id))) };
  },
  block: async () => {
    await check(api.blockUser(phone, { phone: "15550009999" }));
    return { removed: (await check(api.unblockUser(phone, { phone: "15550009999" }))).block_users.removed_users.length };
  },
});
