/** Requests of one peer that are worked on at once; the next waits in the stream. */
export const CALLS_IN_FLIGHT_MAX = 16;
/** Milliseconds after which an unanswered call is given up: a join writes durably a few times, on a slow disk. */
export const CALL_TIMEOUT_MS = 20_000;
/** Devices of one user that are admitted to a group, those that have left it among them: whoever made up more would fill the control log of whom they join at. */
export const USER_DEVICES_MAX = 64;
/** Milliseconds for connecting to one peer, all its addresses together. */
export const CONNECT_TIMEOUT_MS = 15_000;
/** Milliseconds before a lost peer is tried again, doubled each time. */
export const RETRY_MIN_MS = 250;
/** The longest such wait: a peer that was away for a day is found within a minute of its return. */
export const RETRY_MAX_MS = 60_000;
/** Milliseconds between two measurements of a peer's clock. */
export const CLOCK_INTERVAL_MS = 300_000;
/** Members of a syncgroup that this device connects to by itself; the others are met when they connect. */
export const PEERS_DIALLED_MAX = 100;
/** Users that one invite may say it admits: what its field holds. 0 is any number. */
export const INVITE_USES_MAX = 0xffff_ffff;
/** Milliseconds that a peer which shares nothing with us may stay connected: time for a join, and places for others. */
export const STRANGER_MS_MAX = 60_000;
/** First control ops of one syncgroup by which others are known to have read it: one, unless its owner made it on several devices at once. */
export const GROUP_ROOTS_MAX = 8;
/** Milliseconds before a syncgroup is offered to its publish peer again, doubled each time. */
export const PUBLISH_RETRY_MIN_MS = 1_000;
/** The longest such wait: a publish peer that was away for a day has the group within five minutes of its return. */
export const PUBLISH_RETRY_MAX_MS = 300_000;
/** Milliseconds for which who published a group at us, and has not made us its admin, keeps the owner's other devices from doing so: a round trip and a write take none of it. */
export const PUBLISH_CLAIM_MS = 60_000;
/** Groups of which we remember that; the one longest ago is forgotten first, and has its time anew. */
export const PUBLISH_CLAIMS_MAX = 1000;
/** Milliseconds that a group stays pending, or nothing comes of what its collections lack, before an admin is asked for a fresh checkpoint, doubled each time it is. */
export const CHECKPOINT_RETRY_MIN_MS = 30_000;
/** The longest such wait: the checkpoint of a device that has vanished is replaced within ten minutes. */
export const CHECKPOINT_RETRY_MAX_MS = 600_000;
/** Milliseconds for which what an admin was promised is waited for at its word while some of it comes, once that longest wait is reached: a first copy takes less, and who lets rows come one by one gains no more. */
export const PROMISED_MS_MAX = 86_400_000;
/** Milliseconds between two looks at what others hold of what a leaving device has, doubled each time. */
export const HAND_OVER_MIN_MS = 20;
/** The longest such wait: who leaves is waiting for it. */
export const HAND_OVER_MAX_MS = 2_000;
/** Bytes of the control ops that one answer about a lost right holds: a frame of calls, with room for what is around them. */
export const REMOVAL_BYTES_MAX = 1_000_000;
/** Parts in such an answer: what the message holds. */
export const REMOVAL_PARTS_MAX = 1024;
/** Control heads that a question about a lost right names of each scope: what the message holds; a log has one or two. */
export const REMOVAL_HEADS_MAX = 16;
