/** Starts the playground. */

import { Playground } from "./playground.js";

new Playground().begin();
