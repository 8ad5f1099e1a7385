document.body.textContent = "Enclos";
