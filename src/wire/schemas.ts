import type { DescMessage } from "@bufbuild/protobuf";
import { file_rookery_access } from "./generated/rookery/access_pb.ts";
import { file_rookery_blobs } from "./generated/rookery/blobs_pb.ts";
import { file_rookery_call } from "./generated/rookery/call_pb.ts";
import { file_rookery_commit } from "./generated/rookery/commit_pb.ts";
import { file_rookery_deltas } from "./generated/rookery/deltas_pb.ts";
import { file_rookery_ids } from "./generated/rookery/ids_pb.ts";
import { file_rookery_local } from "./generated/rookery/local_pb.ts";
import { file_rookery_pair } from "./generated/rookery/pair_pb.ts";
import { file_rookery_pullsync } from "./generated/rookery/pullsync_pb.ts";
import { file_rookery_rendezvous } from "./generated/rookery/rendezvous_pb.ts";

/** Every message of proto/, for what goes over all of them: tests, golden vectors, tools. */
export const SCHEMAS: readonly DescMessage[] = [
  file_rookery_ids,
  file_rookery_access,
  file_rookery_commit,
  file_rookery_deltas,
  file_rookery_call,
  file_rookery_local,
  file_rookery_blobs,
  file_rookery_pullsync,
  file_rookery_pair,
  file_rookery_rendezvous,
].flatMap((file) => file.messages);
