/** PURE: the event stream. */
import { z } from 'zod';
import { answer, jsonObject, request, time } from './shapes.js';

export const eventsQuerySchema = request({
  /** Cursor: the id of an event, or a matrix's `pos`. Unset: from now on. */
  after: z.string().max(100).optional(),
});

/** `data` of one event on the stream. Consumers ignore an older `version` of a subject than the one they hold. */
export const eventSchema = answer({
  kind: z.string(),
  subject_type: z.string(),
  subject_id: z.int(),
  version: z.int(),
  at: time,
  data: jsonObject,
});
export type DomainEvent = z.infer<typeof eventSchema>;
