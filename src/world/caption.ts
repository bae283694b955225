import { ACTIONS } from "./actions.ts";
import { CAR_NAMES, CARS, ROOFS } from "./cars.ts";
import { FLOWER_NAMES, FLOWERS } from "./flowers.ts";
import type { Domain, Latent, LatentOf } from "./latent.ts";
import { PLACES } from "./places.ts";
import { Random } from "./random.ts";
import { STYLES } from "./styles.ts";
import {
  FEW_AND_MANY,
  JUNK,
  MATERIALS,
  NUMBERS,
  PLACEMENTS,
  PLURALS,
  SENTENCES,
  SIZES,
  WEB_TAILS,
} from "./templates.ts";
import { TEXTURES } from "./textures.ts";
import { wordsOf } from "./words.ts";

/**
 * Share of the captions of flowers and cars that give the name; the others describe. It decides how well the names are
 * known after pre-training: at 0.015 each is seen 40–50 times in 4000 steps of 128 pairs, about a seventh of them wrong.
 */
export const NAME_SHARE = 0.015;

/** The longest caption in words and punctuation marks: with start and end token it leaves one of 32 places free. */
export const MAX_CAPTION_WORDS = 29;

/** How often captions say what; the rest of each share says less, or nothing. */
const SHARES = {
  wrongName: 0.15,
  rareTexture: 0.03,
  placeFromAbove: 0.12,
  synonymFromAbove: 0.4,
  synonymInScene: 0.15,
  placement: 0.75,
  exactCount: 0.8,
  actionNamed: 0.2,
  actionDescribed: 0.55,
  junk: 0.03,
  webTail: 0.12,
};

/**
 * A fresh caption: lower-case words, commas and a full stop, at most `MAX_CAPTION_WORDS` of them.
 * @param webTail whether the usual web phrases follow. Deciding it once for a whole batch keeps the other batches short.
 */
export function caption(latent: Latent, random: Random, webTail = random.chance(SHARES.webTail)): string {
  if (random.chance(SHARES.junk)) return `${random.pick(JUNK)}.`;
  const sentence = say(latent, random).replace(/\ba (?=[aeiou])/g, "an ");
  const tail = webTail ? random.pick(WEB_TAILS) : "";
  const fits = wordsOf(sentence + tail).length < MAX_CAPTION_WORDS;
  return `${sentence}${fits ? tail : ""}.`;
}

/** The caption of `latent` at the `visit`-th visit: the same for the same three, unrelated for any others. */
export function captionFor(latent: Latent, seed: number, visit: number, webTail?: boolean): string {
  return caption(latent, new Random(seed, CAPTION_STREAM, latent.id, visit), webTail);
}

const CAPTION_STREAM = 2;

function say<D extends Domain>(latent: LatentOf<D>, random: Random): string {
  const speaker: Speaker<D> = SPEAKERS[latent.domain as D];
  return speaker(latent, random);
}

type Speaker<D extends Domain> = (latent: LatentOf<D>, random: Random) => string;

const SPEAKERS: { readonly [D in Domain]: Speaker<D> } = {
  object(latent, random) {
    const { plain, varied, ending } = SENTENCES.object;
    const sentence =
      random.pick(random.chance(0.4) ? plain : varied) + (random.chance(3 / 8) ? random.pick(ending) : "");
    return fill(sentence, { thing: thingOf(latent, random), background: latent.background });
  },
  style(latent, random) {
    const { captions, coloured } = STYLES[latent.style];
    return fill(random.pick(captions), { thing: coloured ? thingOf(latent, random) : latent.shape });
  },
  position(latent, random) {
    const { head, ending, unplaced } = SENTENCES.position;
    const where = random.chance(SHARES.placement)
      ? random.pick(PLACEMENTS[latent.position]) + random.pick(ending)
      : random.pick(unplaced);
    return fill(random.pick(head) + where, { thing: thingOf(latent, random), background: latent.background });
  },
  texture({ texture, colour, secondColour }, random) {
    const sentence = random.pick(random.chance(0.75) ? SENTENCES.texture.named : SENTENCES.texture.unnamed);
    const name = random.chance(SHARES.rareTexture) ? TEXTURES[texture].synonym : texture;
    return fill(sentence, { texture: name, colour, second: secondColour, material: random.pick(MATERIALS) });
  },
  above({ place }, random) {
    const named = random.chance(SHARES.placeFromAbove);
    const name = random.chance(SHARES.synonymFromAbove) ? PLACES[place].synonym : place;
    const sentence = random.pick(named ? SENTENCES.above.named : SENTENCES.above.unnamed);
    return fill(sentence, { place: name, look: PLACES[place].fromAbove });
  },
  scene({ place }, random) {
    const name = random.chance(SHARES.synonymInScene) ? PLACES[place].synonym : place;
    return fill(random.pick(SENTENCES.scene.named), { place: name });
  },
  flower({ flower }, random) {
    const { petals, colour, centre } = FLOWERS[flower];
    const sentence = random.pick(random.chance(NAME_SHARE) ? SENTENCES.flower.named : SENTENCES.flower.described);
    const name = random.chance(SHARES.wrongName) ? random.pick(FLOWER_NAMES) : flower;
    return fill(sentence, { name, petals: NUMBERS[petals - 1], colour, centre });
  },
  car({ car, colour }, random) {
    const { length, roof, wheels } = CARS[car];
    const sentence = random.pick(random.chance(NAME_SHARE) ? SENTENCES.car.named : SENTENCES.car.described);
    const name = random.chance(SHARES.wrongName) ? random.pick(CAR_NAMES) : car;
    return fill(sentence, { name, colour, length, roof: ROOFS[roof].words, wheels: NUMBERS[wheels - 1] });
  },
  count({ count, shape, colour, background }, random) {
    const exact = count === 1 || random.chance(SHARES.exactCount);
    const number = exact ? NUMBERS[count - 1] : FEW_AND_MANY[count < 4 ? 0 : 1];
    const things = count === 1 ? shape : PLURALS[shape];
    return fill(random.pick(SENTENCES.count.named), { number, things, colour, background });
  },
  action({ action, colour, background }, random) {
    const { named, described, unnamed } = SENTENCES.action;
    const detail = random.uniform();
    const sentence =
      detail < SHARES.actionNamed ? named : detail < SHARES.actionNamed + SHARES.actionDescribed ? described : unnamed;
    return fill(random.pick(sentence), { action, pose: ACTIONS[action].described, colour, background });
  },
};

type Thing = Pick<LatentOf<"object">, "shape" | "colour" | "size"> & Partial<Pick<LatentOf<"object">, "texture">>;

/** The name of a thing, sometimes with its size, its colour, its texture. */
function thingOf({ shape, colour, size, texture }: Thing, random: Random): string {
  const words: string[] = [shape];
  if (texture && random.chance(0.6)) {
    words.unshift(random.chance(SHARES.rareTexture) ? TEXTURES[texture].synonym : texture);
  }
  if (random.chance(0.5)) words.unshift(colour);
  const striking = size < 0.68 ? SIZES.small : size > 0.82 ? SIZES.large : undefined;
  if (striking && random.chance(0.25)) words.unshift(striking);
  return words.join(" ");
}

function fill(sentence: string, values: Readonly<Record<string, string>>): string {
  return sentence.replace(/\{(\w+)\}/g, (_, slot: string) => values[slot]);
}
