// @kapso/whatsapp-cloud-api: every method of `messages` that sends, plus read marks, media and templates.
import { WhatsAppClient } from "@kapso/whatsapp-cloud-api";
import { base, documentId, imageId, link, phone, quoted, report, to, token } from "./report.mjs";

const client = new WhatsAppClient({ accessToken: token, baseUrl: base, graphVersion: "v25.0" });
const { messages } = client;

const send = (method, input) => async () => {
  const answer = await messages[method]({ phoneNumberId: phone, to, ...input });
  return { type: method, id: answer.messages[0].id };
};

const template = (...components) =>
  send("sendTemplate", { template: { name: "any", language: { code: "en_US" }, components } });

const sends = {
  sendText: send("sendText", { body: "hello", previewUrl: true, contextMessageId: quoted, bizOpaqueCallbackData: "our-id" }),
  "sendText to a user id": send("sendText", { to: undefined, recipient: "US.13491208655302741918", body: "hello" }),
  sendImage: send("sendImage", { image: { link, caption: "caption" } }),
  "sendImage by id": send("sendImage", { image: { id: imageId, caption: "caption" } }),
  sendAudio: send("sendAudio", { audio: { link } }),
  sendDocument: send("sendDocument", { document: { id: documentId, filename: "a.pdf", caption: "caption" } }),
  sendVideo: send("sendVideo", { video: { link, caption: "caption" } }),
  sendSticker: send("sendSticker", { sticker: { link } }),
  sendLocation: send("sendLocation", { location: { latitude: 37.4, longitude: -122.1, name: "n", address: "a" } }),
  sendContacts: send("sendContacts", {
    contacts: [
      {
        name: { formattedName: "John Smith", firstName: "John" },
        birthday: "1990-01-31",
        phones: [{ phone: "+16505551234", type: "WORK", waId: "16505551234" }],
        emails: [{ email: "john@example.com", type: "WORK" }],
        org: { company: "Company" },
        urls: [{ url: "https://example.com", type: "WORK" }],
        addresses: [{ city: "Menlo Park", countryCode: "us", type: "HOME" }],
      },
    ],
  }),
  sendTemplate: send("sendTemplate", { template: { name: "hello_world", language: { code: "en_US" } } }),
  "sendTemplate header, body, button": template(
    { type: "header", parameters: [{ type: "image", image: { link } }] },
    { type: "body", parameters: [{ type: "text", text: "Ann", parameterName: "name" }] },
    { type: "button", subType: "quick_reply", index: 0, parameters: [{ type: "payload", payload: "x" }] },
    { type: "button", subType: "url", index: "1", parameters: [{ type: "text", text: "x" }] },
    { type: "button", subType: "copy_code", index: 2, parameters: [{ type: "coupon_code", coupon_code: "25OFF" }] },
    { type: "button", subType: "flow", index: 3, parameters: [{ type: "action", action: { flow_token: "t" } }] },
  ),
  "sendTemplate money and date": template({
    type: "body",
    parameters: [
      { type: "currency", currency: { fallbackValue: "$1", code: "USD", amount1000: 1000 } },
      { type: "date_time", dateTime: { fallbackValue: "today" } },
    ],
  }),
  "sendTemplate carousel": template({
    type: "carousel",
    cards: [
      { cardIndex: 0, components: [{ type: "header", parameters: [{ type: "image", image: { link } }] }] },
      { cardIndex: 1, components: [{ type: "header", parameters: [{ type: "image", image: { id: imageId } }] }] },
    ],
  }),
  sendReaction: send("sendReaction", { reaction: { messageId: quoted, emoji: "😀" } }),
  "sendReaction removed": send("sendReaction", { reaction: { messageId: quoted, emoji: "" } }),
  sendInteractiveButtons: send("sendInteractiveButtons", {
    header: { type: "text", text: "header" },
    bodyText: "body",
    footerText: "footer",
    buttons: [
      { id: "1", title: "Yes" },
      { id: "2", title: "No" },
    ],
  }),
  sendInteractiveList: send("sendInteractiveList", {
    bodyText: "body",
    buttonText: "open",
    sections: [{ title: "A", rows: [{ id: "1", title: "One", description: "first" }] }],
  }),
  sendInteractiveProduct: send("sendInteractiveProduct", {
    bodyText: "body",
    catalogId: "1",
    productRetailerId: "SKU",
  }),
  sendInteractiveProductList: send("sendInteractiveProductList", {
    header: { type: "text", text: "header" },
    bodyText: "body",
    catalogId: "1",
    sections: [{ title: "A", productItems: [{ productRetailerId: "X" }] }],
  }),
  sendInteractiveFlow: send("sendInteractiveFlow", {
    bodyText: "body",
    parameters: {
      flowId: "1",
      flowCta: "Start",
      flowToken: "t",
      flowMessageVersion: "3",
      flowAction: "navigate",
      flowActionPayload: { screen: "SCREEN" },
    },
  }),
  sendInteractiveAddress: send("sendInteractiveAddress", {
    bodyText: "body",
    parameters: { country: "IN", values: { name: "Ann" } },
  }),
  sendInteractiveLocationRequest: send("sendInteractiveLocationRequest", {
    bodyText: "body",
    parameters: { requestMessage: "where?" },
  }),
  sendInteractiveCallPermission: send("sendInteractiveCallPermission", {
    bodyText: "body",
    parameters: { phoneNumber: to, callPurpose: "support" },
  }),
  sendInteractiveCtaUrl: send("sendInteractiveCtaUrl", {
    bodyText: "body",
    parameters: { displayText: "Go", url: "https://example.com" },
  }),
  sendInteractiveCarousel: send("sendInteractiveCarousel", {
    bodyText: "body",
    cards: [0, 1].map((cardIndex) => ({
      cardIndex,
      header: { type: "image", image: { link } },
      bodyText: "card",
      action: { displayText: "Go", url: "https://example.com" },
    })),
  }),
  sendInteractiveCatalogMessage: send("sendInteractiveCatalogMessage", {
    bodyText: "body",
    parameters: { thumbnailProductRetailerId: "SKU" },
  }),
  sendInteractiveRaw: send("sendInteractiveRaw", {
    interactive: { type: "request_contact_info", body: { text: "who?" }, action: { name: "request_contact_info" } },
  }),
  sendRaw: send("sendRaw", {
    payload: { messaging_product: "whatsapp", to, type: "text", text: { body: "raw" } },
  }),
};

// A method that a later version brings must not go unnoticed.
const offered = Object.getOwnPropertyNames(Object.getPrototypeOf(messages)).filter((name) => name.startsWith("send"));
const missing = offered.filter((name) => !(name in sends) && name !== "sendMessageRequest");

await report({
  ...sends,
  "left out": async () => ({ missing }),
  markRead: async () =>
    messages.markRead({ phoneNumberId: phone, messageId: quoted, typingIndicator: { type: "text" } }),
  media: async () => {
    const file = new Blob(["plain text"], { type: "text/plain" });
    const { id } = await client.media.upload({ phoneNumberId: phone, type: "text/plain", file, fileName: "a.txt" });
    const bytes = await client.media.download({ mediaId: id, auth: "always" });
    return { content: new TextDecoder().decode(bytes), ...(await client.media.delete({ mediaId: id })) };
  },
  templates: async () => {
    const found = await client.templates.list({ businessAccountId: "102290129340398" });
    return { names: found.data.map((row) => row.name) };
  },
});
