import { oneLine } from "../../clip/bytes.ts";
import { FormatError } from "../../tensor/errors.ts";
import type { Item } from "../folder.ts";
import { divideTraining } from "./by-rule.ts";
import type { Lists, Place } from "./dataset.ts";
import { pathInside, spacedName } from "./split-file.ts";

/** `Abyssinian_100 1 1 1`: picture, label from 1, species, breed within the species. The breed is the picture's name. */
export const PETS: Lists = {
  needs: ["annotations/trainval.txt", "annotations/test.txt"],
  async read(place) {
    const pet = (line: string) => {
      const [, picture, breed, label] = /^((\S+)_[^_\s]*) (\d+)\b/.exec(line) ?? [];
      return picture && { path: `${picture}.jpg`, label: Number(label) - 1, className: breed.toLowerCase() };
    };
    const [train, test] = [
      await listed(place, "annotations/trainval.txt", pet),
      await listed(place, "annotations/test.txt", pet),
    ];
    return { ...divideTraining(train), test };
  },
};

/** `/a/airplane_cabin/sun_1.jpg`; a class is a path: `/u/underwater/coral_reef` is "coral reef underwater". */
export const SUN: Lists = {
  needs: ["ClassName.txt", "Training_01.txt", "Testing_01.txt"],
  async read(place) {
    const labels = new Map((await lines(place, "ClassName.txt")).map((line, label) => [line.slice(1), label]));
    const scene = (line: string) => {
      const path = line.slice(1);
      const folder = path.slice(0, Math.max(0, path.lastIndexOf("/")));
      const className = folder.split("/").slice(1).reverse().join(" ");
      return { path, label: labels.get(folder) ?? -1, className };
    };
    const [train, test] = [await listed(place, "Training_01.txt", scene), await listed(place, "Testing_01.txt", scene)];
    return { ...divideTraining(train), test };
  },
};

/** `ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1`; the middle frame of it lies in `Apply_Eye_Makeup/`. */
export const UCF: Lists = {
  needs: ["classInd.txt", "trainlist01.txt", "testlist01.txt"].map((file) => `ucfTrainTestlist/${file}`),
  async read(place) {
    const numbered = (await lines(place, "ucfTrainTestlist/classInd.txt")).map((line) => line.split(" "));
    const labels = new Map(numbered.map(([number, action]) => [action, Number(number) - 1]));
    const clip = (line: string) => {
      const [action, file = ""] = line.split(" ")[0].split("/");
      const folder = (action.match(/[A-Z][^A-Z]*/g) ?? []).join("_");
      return { path: `${folder}/${file.replace(".avi", ".jpg")}`, label: labels.get(action) ?? -1, className: folder };
    };
    const [train, test] = [
      await listed(place, "ucfTrainTestlist/trainlist01.txt", clip),
      await listed(place, "ucfTrainTestlist/testlist01.txt", clip),
    ];
    return { ...divideTraining(train), test };
  },
};

/** `1025794 707-320`: picture and variant; labels are the lines of variants.txt. Train, val and test are official. */
export const AIRCRAFT: Lists = {
  needs: ["variants.txt", "images_variant_train.txt", "images_variant_val.txt", "images_variant_test.txt"],
  async read(place) {
    const labels = new Map((await lines(place, "variants.txt")).map((variant, label) => [variant, label]));
    const aircraft = (line: string) => {
      const [picture, ...words] = line.split(" ");
      const className = words.join(" ");
      return { path: `${picture}.jpg`, label: labels.get(className) ?? -1, className };
    };
    const split = (name: string) => listed(place, `images_variant_${name}.txt`, aircraft);
    return { train: await split("train"), val: await split("val"), test: await split("test") };
  },
};

const lines = async (place: Place, file: string): Promise<string[]> =>
  (await place.text(file))
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "");

async function listed(place: Place, file: string, parse: (line: string) => Item | "" | undefined): Promise<Item[]> {
  return (await lines(place, file)).map((line, i) => {
    const item = parse(line);
    const path = item && pathInside(item.path);
    if (!item || path === undefined || item.label < 0 || item.className.trim() === "")
      throw new FormatError(
        `${file}, line ${i + 1}: ${JSON.stringify(oneLine(line.slice(0, 80)))} is no picture with a class of the dataset. Fetch the file again.`,
      );
    return { path, label: item.label, className: spacedName(item.className) };
  });
}
