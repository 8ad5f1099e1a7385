import "./style/base.css";

import { mount } from "svelte";

import Shell from "./app/Shell.svelte";
import { beginTheme } from "./app/theme.svelte";
import { beginText } from "./text/text.svelte";

beginTheme();
await beginText();

const target = document.getElementById("page");
if (target) mount(Shell, { target });
