import { datasetName, TEMPLATE_DATASETS } from "../../clip/templates.ts";
import { InputError } from "../../tensor/errors.ts";
import { nearest } from "../near.ts";
import { classFolders } from "./by-rule.ts";
import type { Counts, Dataset } from "./dataset.ts";
import { IMAGENET, IMAGENET_BY_ID, IMAGENET_BY_NUMBER } from "./imagenet.ts";
import { AIRCRAFT, PETS, SUN, UCF } from "./official-lists.ts";

/** Where CoOp's authors say how each dataset is fetched, with the links to the split files. */
export const DATASETS_PAGE = "https://github.com/KaiyangZhou/CoOp/blob/main/DATASETS.md";

const counts = (classes: number, train: number | null, val: number | null, test: number): Counts => ({
  classes,
  train,
  val,
  test,
});

/**
 * The eleven datasets of the CoOp papers, and the four variants of ImageNet that prompts learned on it are measured on.
 * @example DATASETS.map(({ name }) => name); // ["ImageNet", "Caltech101", …]
 */
export const DATASETS: readonly Dataset[] = [
  {
    name: "ImageNet",
    folder: "imagenet",
    pictures: "images",
    links: ["train", "val"],
    lists: IMAGENET,
    counts: counts(1000, 1_281_167, null, 50_000),
  },
  {
    name: "Caltech101",
    folder: "caltech-101",
    pictures: "101_ObjectCategories",
    split: "split_zhou_Caltech101.json",
    lists: classFolders({
      ignored: ["BACKGROUND_Google", "Faces_easy"],
      renamed: { airplanes: "airplane", Faces: "face", Leopards: "leopard", Motorbikes: "motorbike" },
    }),
    counts: counts(100, 4128, 1649, 2465),
  },
  {
    name: "OxfordPets",
    folder: "oxford_pets",
    pictures: "images",
    split: "split_zhou_OxfordPets.json",
    lists: PETS,
    counts: counts(37, 2944, 736, 3669),
  },
  {
    name: "StanfordCars",
    folder: "stanford_cars",
    pictures: "",
    links: ["cars_train", "cars_test"],
    split: "split_zhou_StanfordCars.json",
    counts: counts(196, 6509, 1635, 8041),
  },
  {
    name: "OxfordFlowers",
    folder: "oxford_flowers",
    pictures: "jpg",
    split: "split_zhou_OxfordFlowers.json",
    counts: counts(102, 4093, 1633, 2463),
  },
  {
    name: "Food101",
    folder: "food-101",
    pictures: "images",
    split: "split_zhou_Food101.json",
    lists: classFolders(),
    counts: counts(101, 50_500, 20_200, 30_300),
  },
  {
    name: "FGVCAircraft",
    folder: "fgvc_aircraft",
    pictures: "images",
    lists: AIRCRAFT,
    counts: counts(100, 3334, 3333, 3333),
  },
  {
    name: "SUN397",
    folder: "sun397",
    pictures: "SUN397",
    split: "split_zhou_SUN397.json",
    lists: SUN,
    counts: counts(397, 15_880, 3970, 19_850),
  },
  {
    name: "DTD",
    folder: "dtd",
    pictures: "images",
    split: "split_zhou_DescribableTextures.json",
    lists: classFolders(),
    counts: counts(47, 2820, 1128, 1692),
  },
  {
    name: "EuroSAT",
    folder: "eurosat",
    pictures: "2750",
    split: "split_zhou_EuroSAT.json",
    lists: classFolders({
      renamed: {
        AnnualCrop: "Annual Crop Land",
        HerbaceousVegetation: "Herbaceous Vegetation Land",
        Highway: "Highway or Road",
        Industrial: "Industrial Buildings",
        Pasture: "Pasture Land",
        PermanentCrop: "Permanent Crop Land",
        Residential: "Residential Buildings",
        SeaLake: "Sea or Lake",
      },
    }),
    counts: counts(10, 13_500, 5400, 8100),
  },
  {
    name: "UCF101",
    folder: "ucf101",
    pictures: "UCF-101-midframes",
    split: "split_zhou_UCF101.json",
    lists: UCF,
    counts: counts(101, 7639, 1898, 3783),
  },
  {
    name: "ImageNetV2",
    folder: "imagenetv2",
    pictures: "imagenetv2-matched-frequency-format-val",
    lists: IMAGENET_BY_NUMBER,
    counts: counts(1000, null, null, 10_000),
  },
  {
    name: "ImageNet-Sketch",
    folder: "imagenet-sketch",
    pictures: "images",
    lists: IMAGENET_BY_ID,
    counts: counts(1000, null, null, 50_889),
  },
  {
    name: "ImageNet-A",
    folder: "imagenet-adversarial",
    pictures: "imagenet-a",
    lists: IMAGENET_BY_ID,
    counts: counts(200, null, null, 7500),
  },
  {
    name: "ImageNet-R",
    folder: "imagenet-rendition",
    pictures: "imagenet-r",
    lists: IMAGENET_BY_ID,
    counts: counts(200, null, null, 30_000),
  },
];

/**
 * The dataset of a name in any usual spelling. InputError, with the name that was probably meant, where there is none.
 * @example datasetNamed("oxford_pets").counts.classes // 37
 */
export function datasetNamed(spelling: string): Dataset {
  const found = DATASETS.find(({ name }) => name === datasetName(spelling));
  if (found) return found;
  const meant = nearest(spelling, TEMPLATE_DATASETS);
  throw new InputError(
    `there is no dataset "${spelling}"; ${meant ? `did you mean ${meant}?` : `there are ${TEMPLATE_DATASETS.join(", ")}`}`,
  );
}
