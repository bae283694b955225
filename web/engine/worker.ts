import { expose } from "comlink";
import { PageEngine } from "./engine.ts";

expose(new PageEngine());
