import { render } from "preact";
import { App } from "./ui/app.tsx";
import { start } from "./ui/session.ts";

start();
render(<App />, document.getElementById("page")!);
