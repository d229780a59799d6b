/** The limits that stand as options in the .proto files. What they mean is said in proto/rookery/limits.proto. */

import { type DescField, type DescMessage, getOption, hasOption } from "@bufbuild/protobuf";
import {
  exact_bytes,
  max_bytes,
  max_count,
  max_size,
  max_value,
  required,
} from "./generated/rookery/limits_pb.ts";

/** What the .proto file says of a field; `undefined` for what it does not say. */
export interface FieldLimits {
  readonly maxBytes: number | undefined;
  readonly exactBytes: number | undefined;
  readonly maxCount: number | undefined;
  readonly maxValue: bigint | undefined;
  readonly required: boolean;
}

/** The limits of a field. */
export function limitsOf(field: DescField): FieldLimits {
  return {
    maxBytes: hasOption(field, max_bytes) ? getOption(field, max_bytes) : undefined,
    exactBytes: hasOption(field, exact_bytes) ? getOption(field, exact_bytes) : undefined,
    maxCount: hasOption(field, max_count) ? getOption(field, max_count) : undefined,
    maxValue: hasOption(field, max_value) ? getOption(field, max_value) : undefined,
    required: getOption(field, required),
  };
}

/** Bytes of the whole message where it is decoded by itself; `undefined` when it only stands inside others. */
export function sizeLimitOf(schema: DescMessage): number | undefined {
  return hasOption(schema, max_size) ? getOption(schema, max_size) : undefined;
}
