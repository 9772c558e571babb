// What the page holds decides what it is: a scene to play, or the explorer.

import { Explorer } from "./app.js";
import { Show } from "./show.js";

const data = JSON.parse(document.getElementById("data").textContent);
const host = document.getElementById("app");
window.juanji = data.scenes ? new Show(host, data) : new Explorer(host, data);
