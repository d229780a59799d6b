import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codeOf, concatBytes, type ScopeId, toBase64Url, userIdOf, utf8 } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { rawSized } from "../testkit/wire/wire-raw.ts";
import { create, encode, limitsOf, scopeToWire, TicketSchema } from "../wire/index.ts";
import {
  TICKET_ADDRESS_BYTES_MAX,
  TICKET_ADDRESSES_MAX,
  TICKET_BYTES_MAX,
  TICKET_TEXT_MAX,
} from "./limits.ts";
import { formatTicket, parseTicket, type Ticket } from "./ticket.ts";

const deps = { crypto: nodeCrypto() };
const group: ScopeId = {
  database: "notes",
  kind: "syncgroup",
  owner: userIdOf(new Uint8Array(32).fill(2)),
  name: "club",
};
const ticket: Ticket = {
  group,
  addresses: ["/ip4/192.0.2.1/tcp/4001"],
  secret: new Uint8Array(32).fill(1),
};
const text = formatTicket(ticket, deps);
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_ =:\n";

/** The reason in the refusal of `altered`. */
function refusalOf(altered: string): string {
  try {
    parseTicket(altered, deps);
  } catch (error) {
    expect(codeOf(error)).toBe("ACCESS_TICKET_INVALID");
    return (error as Error).message;
  }
  expect.fail(`${altered} was taken for a ticket`);
}

/** The text of any bytes, with their checksum. */
function textOf(bytes: Uint8Array): string {
  return `rookery:${toBase64Url(concatBytes(bytes, deps.crypto.sha256(bytes).subarray(0, 4)))}`;
}

describe("a ticket", () => {
  test("[AC25] is read as it was written, blanks around it ignored", () => {
    expect(parseTicket(text, deps)).toEqual(ticket);
    expect(parseTicket(` \n\t${text}\r\n `, deps)).toEqual(ticket);
    const message = create(TicketSchema, {
      group: scopeToWire(group),
      addresses: [...ticket.addresses],
      secret: ticket.secret,
    });
    expect(text).toBe(textOf(encode(TicketSchema, message)));
  });

  test("[AC25] any group, addresses and secret", () => {
    const name = fc.string({ unit: "binary", minLength: 1, maxLength: 40 });
    const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(
        name,
        name,
        key,
        key,
        fc.array(name, { maxLength: 16 }),
        (database, groupName, owner, secret, addresses) => {
          const drawn = {
            group: { ...group, database, name: groupName, owner: userIdOf(owner) },
            addresses,
            secret,
          };
          const expected = {
            ...drawn,
            addresses: addresses.filter((address) => address.isWellFormed()),
          };
          expect(parseTicket(formatTicket(drawn, deps), deps)).toEqual(expected);
        },
      ),
      { seed: 4, numRuns: 200 },
    );
  });

  test("[AC25] holds the first addresses that fit", () => {
    const { addresses, secret } = TicketSchema.field;
    expect(limitsOf(addresses).maxCount).toBe(TICKET_ADDRESSES_MAX);
    expect(limitsOf(addresses).maxBytes).toBe(TICKET_ADDRESS_BYTES_MAX);
    expect(limitsOf(secret).exactBytes).toBe(ticket.secret.length);

    const many = Array.from({ length: 20 }, (_, i) => `/ip4/192.0.2.${i}/tcp/4001`);
    expect(parseTicket(formatTicket({ ...ticket, addresses: many }, deps), deps).addresses).toEqual(
      many.slice(0, 16),
    );
    const long = [`/${"x".repeat(256)}`, "\ud800", "/ip4/192.0.2.1/tcp/1"];
    expect(parseTicket(formatTicket({ ...ticket, addresses: long }, deps), deps).addresses).toEqual(
      long.slice(2),
    );

    const longest = { ...group, database: "d".repeat(1024), name: "n".repeat(1024) };
    const largest = {
      ...ticket,
      group: longest,
      addresses: many.map((_, i) => `/${i}`.padEnd(256, "x")),
    };
    const formatted = formatTicket(largest, deps);
    expect(formatted.length).toBeLessThanOrEqual(TICKET_TEXT_MAX);
    const read = parseTicket(formatted, deps);
    expect(read.addresses).toEqual(largest.addresses.slice(0, 7));
    expect(read.group).toEqual(longest);
    expect(TICKET_TEXT_MAX).toBe("rookery:".length + Math.ceil(((TICKET_BYTES_MAX + 4) * 4) / 3));
  });

  test("[AC25] is for a syncgroup, and its secret has 32 bytes", () => {
    expect(() =>
      formatTicket({ ...ticket, group: { ...group, kind: "collection" } }, deps),
    ).toThrow(RangeError);
    expect(() => formatTicket({ ...ticket, secret: new Uint8Array(31) }, deps)).toThrow(RangeError);
  });
});

describe("what is no ticket", () => {
  test("[AC26] every character that is changed to any other is found", () => {
    for (let at = 0; at < text.length; at++) {
      for (const character of ALPHABET) {
        if (character === text[at]) continue;
        refusalOf(text.slice(0, at) + character + text.slice(at + 1));
      }
    }
  });

  test("[AC26] every character that is left out, added or doubled is found", () => {
    for (let at = 0; at <= text.length; at++) {
      if (at < text.length) refusalOf(text.slice(0, at) + text.slice(at + 1));
      refusalOf(`${text.slice(0, at)}A${text.slice(at)}`);
      if (at > 0 && at < text.length) refusalOf(`${text.slice(0, at)} ${text.slice(at)}`);
    }
  });

  test("[AC26] cut anywhere, it says so", () => {
    for (let size = 8; size < text.length; size++)
      expect(refusalOf(text.slice(0, size))).toMatch(/cut/);
    for (let size = 0; size < 8; size++)
      expect(refusalOf(text.slice(0, size))).toContain('does not begin with "rookery:"');
  });

  test("[AC26] the message says in what way, and never repeats the text", () => {
    const swapped = text.slice(0, 40) + (text[40] === "A" ? "B" : "A") + text.slice(41);
    const reasons = [
      [swapped, "altered"],
      [`${text.slice(0, 40)}*${text.slice(41)}`, "altered"],
      ["https://example.org/", "does not begin"],
      ["", "does not begin"],
      [`rookery2:${text.slice(8)}`, "another version"],
      [`rookery:${"A".repeat(TICKET_TEXT_MAX)}`, "longer than any ticket"],
      [textOf(rawSized(9, "what a later version says")), "another version"],
      [
        textOf(
          encode(
            TicketSchema,
            create(TicketSchema, {
              group: scopeToWire({ ...group, kind: "collection" }),
              secret: ticket.secret,
            }),
          ),
        ),
        "another version",
      ],
      [textOf(new Uint8Array(0)), "another version"],
    ] as const;
    for (const [altered, reason] of reasons) {
      const message = refusalOf(altered);
      expect(message).toContain(reason);
      if (altered.length > 30) expect(message).not.toContain(altered.slice(10, 30));
    }
  });

  test("[AC26] whatever text there is, it ends with a ticket or a coded error", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (any) => {
        refusalOf(any);
        refusalOf(`rookery:${any}`);
        refusalOf(textOf(utf8(any.toWellFormed())));
      }),
      { seed: 5, numRuns: 300 },
    );
  });
});
