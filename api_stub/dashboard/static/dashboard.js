// What every page needs: its present state, its player, its upload form. Nothing is rendered here; the server draws.
import { watchPage } from "./live.js";
import { watchFilm } from "./player.js";
import { watchUpload } from "./upload.js";

watchPage();
watchFilm();
watchUpload();
