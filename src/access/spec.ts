/**
 * What a syncgroup is: its spec, as members read it and as its message.
 */

import {
  type DeviceId,
  deviceIdOf,
  deviceKeyOf,
  type UserId,
  userIdOf,
  userKeyOf,
} from "../base/index.ts";
import { type MessageInitShape, type Spec as WireSpec, type SpecSchema } from "../wire/index.ts";
import { AccessError } from "./errors.ts";

/** A collection of a syncgroup; it lies in the group's database. */
export interface CollectionName {
  readonly owner: UserId;
  readonly name: string;
}

/** What a syncgroup is. */
export interface Spec {
  readonly description: string;
  /** At least one, each once; fixed when the group is created. */
  readonly collections: readonly CollectionName[];
  /** The device that the group is published at, if any. */
  readonly publishPeer?: DeviceId | undefined;
  /** Multiaddr texts where members look for each other. */
  readonly rendezvous: readonly string[];
  readonly isPrivate: boolean;
}

/** The message of a spec. @throws {AccessError} `ACCESS_CONTROL_MALFORMED` for text that is not well-formed. */
export function specToWire(spec: Spec): MessageInitShape<typeof SpecSchema> {
  const texts = [spec.description, ...spec.rendezvous, ...spec.collections.map(({ name }) => name)];
  if (!texts.every((text) => text.isWellFormed()))
    throw malformed("a text in it is not well-formed");
  return {
    description: spec.description,
    collections: spec.collections.map(({ owner, name }) => ({ owner: userKeyOf(owner), name })),
    ...(spec.publishPeer === undefined ? {} : { publishPeer: deviceKeyOf(spec.publishPeer) }),
    rendezvous: [...spec.rendezvous],
    isPrivate: spec.isPrivate,
  };
}

/** The spec of a message. @throws {AccessError} `ACCESS_CONTROL_MALFORMED` when it names no collection, or one twice. [AC6] */
export function specFromWire(spec: WireSpec): Spec {
  const collections = spec.collections.map(({ owner, name }) => ({ owner: userIdOf(owner), name }));
  const names = collectionSet(collections);
  if (names.size === 0 || names.size !== collections.length) {
    throw malformed("it names no collection, or one twice");
  }
  return {
    description: spec.description,
    collections,
    publishPeer: spec.publishPeer.length === 0 ? undefined : deviceIdOf(spec.publishPeer),
    rendezvous: spec.rendezvous,
    isPrivate: spec.isPrivate,
  };
}

/** Whether two specs name the same collections, in whatever order. */
export function sameCollections(a: Spec, b: Spec): boolean {
  const names = collectionSet(a.collections);
  return (
    names.size === b.collections.length &&
    b.collections.every((collection) => names.has(collectionKey(collection)))
  );
}

function collectionSet(collections: readonly CollectionName[]): ReadonlySet<string> {
  return new Set(collections.map(collectionKey));
}

/** Injective: an owner's text has no slash. */
function collectionKey({ owner, name }: CollectionName): string {
  return `${owner}/${name}`;
}

function malformed(reason: string): AccessError {
  return new AccessError("ACCESS_CONTROL_MALFORMED", `Cannot accept spec: ${reason}`);
}
