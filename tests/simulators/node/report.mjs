// Runs named sends one after the other and prints one JSON line for each: {"name", "id"} or {"name", "error"}.
export async function report(sends) {
  for (const [name, send] of Object.entries(sends)) {
    try {
      console.log(JSON.stringify({ name, ...(await send()) }));
    } catch (error) {
      console.log(JSON.stringify({ name, error: String(error?.message ?? error) }));
    }
  }
}

// What every script is told: node script.mjs BASE PHONE TOKEN TO QUOTED IMAGE_ID DOCUMENT_ID
export const [base, phone, token, to, quoted, imageId, documentId] = process.argv.slice(2);
export const link = "https://example.com/file.bin";
