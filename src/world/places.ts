export type Place = keyof typeof PLACES;

/** The places, seen from above or from the side: a rarer word for each, and what is seen of it from above. */
export const PLACES = {
  forest: { synonym: "wood", fromAbove: "dark green land" },
  river: { synonym: "stream", fromAbove: "green land with a blue band" },
  lake: { synonym: "pond", fromAbove: "green land with a blue spot" },
  highway: { synonym: "road", fromAbove: "green land with a straight line" },
  village: { synonym: "suburb", fromAbove: "brown and red land" },
  factory: { synonym: "mill", fromAbove: "gray land" },
  field: { synonym: "farm", fromAbove: "yellow and brown land" },
  pasture: { synonym: "meadow", fromAbove: "light green land" },
  orchard: { synonym: "plantation", fromAbove: "brown land with green dots" },
  sea: { synonym: "ocean", fromAbove: "dark blue water" },
} as const satisfies Record<string, { synonym: string; fromAbove: string }>;

export const PLACE_NAMES = Object.keys(PLACES) as readonly Place[];
